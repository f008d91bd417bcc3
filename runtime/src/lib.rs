//! What each binary does alike: logs, settings, serving, health, shutdown.
//!
//! Nothing here knows what is measured or judged; nothing here ends the
//! process.

pub mod client;
pub mod crypto;
pub mod health;
pub mod heap;
pub mod logs;
pub mod problem;
#[cfg(feature = "review")]
pub mod review;
pub mod serve;
pub mod settings;
pub mod shutdown;

pub use health::Health;
pub use problem::Problem;
pub use shutdown::Shutdown;
