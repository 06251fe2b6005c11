//! What the cluster knows: a live one that is asked, or the objects that a file
//! gives in its place.

mod breaking;
mod events;
mod glass;
mod home;
mod live;
mod recorded;
mod registrar;

pub use breaking::{BreakError, Breaking, Broken, break_glass};
pub use events::{Happening, Recorder, Regarding};
pub use glass::follow as follow_glass;
pub use home::{ConnectError, Home};
pub use live::Live;
pub use recorded::{Recorded, RecordedError};
pub use registrar::{Inputs, Observer, Plan, Registrar, State};
