//! Notes devices whose clock a message has proven wrong, in the transaction that stores the message.

use std::collections::BTreeMap;

use vigie_store::clocks::{self, ClockError};
use vigie_store::{Result, Tx};
use vigie_vitals::DeviceId;

use crate::queue::{Content, Pending};

/// Costs nothing where no clock is wrong. The last message of a device counts.
pub(crate) async fn note(tx: &mut Tx, group: &[Pending]) -> Result<()> {
    let mut errors = BTreeMap::new();
    for pending in group {
        if let Content::Batch(_, decoded) = &pending.content
            && let Some(ahead) = decoded.clock_lead
        {
            let device = DeviceId(pending.publish.device.as_str().to_owned());
            errors.insert(device, ClockError { ahead, noted_at: pending.received_at });
        }
    }
    if errors.is_empty() { Ok(()) } else { clocks::note(tx, &errors).await }
}
