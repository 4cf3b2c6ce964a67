//! Stored means judged: workers claim patients from the judgement queue or from the silence clock, load
//! what their rules need, call `judge` and `reconcile`, and write the outcome in one transaction.
//!
//! A worker that dies rolls back: the queue rows are there again, the locks are gone. Patients are
//! independent, so any number of workers, in any number of processes, may run.

mod round;
mod worker;

pub use round::{Failure, Round, judge_once};
pub use worker::{Settings, run};
