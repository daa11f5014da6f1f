//! A job's output on its way from the engine to whoever wants it.

mod guard;
mod limit;
mod mask;
mod pump;
mod section;
mod sink;
mod timestamp;

pub(crate) use guard::{Guard, Refusal};
pub(crate) use limit::LogLimit;
pub use mask::{MIN_MASKED_CHARS, MIN_MASKED_LINE_CHARS, MaskError, MaskStream, Masker};
pub(crate) use mask::{is_too_short_to_mask, mask_forms};
pub(crate) use pump::Pump;
pub use section::SectionSink;
pub use sink::{LogEnd, LogSink, MemorySink, NullSink, Truncation};
pub use timestamp::TimestampSink;
