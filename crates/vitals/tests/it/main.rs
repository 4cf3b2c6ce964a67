//! The judge and the reconciler through their public interface, as a worker uses them.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod clock_changes;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod metrics_glucose;
#[cfg(test)]
mod metrics_inr;
#[cfg(test)]
mod metrics_properties;
#[cfg(test)]
mod metrics_published;
#[cfg(test)]
mod metrics_samples;
#[cfg(test)]
mod metrics_signs;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod order;
#[cfg(test)]
mod patient;
#[cfg(test)]
mod reconciling;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scoping;
#[cfg(test)]
mod silences;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod wild;
