//! What a job asks for, as text: `/cache`, `name:/data:ro`, `/host:/path`, `c:\cache`.
//!
//! [`SpecReader`] reads it in four steps, a file each: split at the colons that separate
//! (`split`), put variables in (`variable`), tell the kind by the parts (`reader`), read the
//! options (`option`). What a job *may* have is another question, and the
//! [`Policy`](crate::Policy)'s.

mod error;
mod option;
mod origin;
mod reader;
mod split;
mod variable;
mod volume;

pub use error::{SpecError, SpecPart, SpecProblem};
pub use origin::SpecOrigin;
pub use reader::SpecReader;
pub use volume::{Mode, VolumeSource, VolumeSpec};
