//! What every process of Vigie needs and no patient would notice: the clock, ids, logs. Nothing medical.

mod clock;
mod errors;
mod hexadecimal;
pub mod ids;
mod logs;
mod ticks;

pub use clock::Clock;
pub use errors::chain;
pub use hexadecimal::hexadecimal;
pub use logs::start_logs;
pub use ticks::Ticks;
