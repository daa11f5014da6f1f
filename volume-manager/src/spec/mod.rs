//! What a job asks for, as text: `/cache`, `name:/data:ro`, `/host:/path`.

mod error;
mod parser;

pub use error::{SpecError, SpecPart, SpecProblem};
pub use parser::{Access, VolumeSource, VolumeSpec};
