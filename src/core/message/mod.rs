//! The texts of denials and warnings, which people read in their terminal below
//! the command that they typed.

mod declarer;
mod denial;
mod finding;
mod source_url;
mod summary;
mod value_display;
mod warning;

pub(crate) use denial::denial;
pub(crate) use warning::{one_line, warnings};
