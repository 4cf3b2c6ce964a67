//! A device's word about itself: JSON (it begins with `{`) or protobuf.

use vigie_store::intake::DeviceStatus;
use vigie_wire::{Message, v1};

use crate::decode::Rejection;

const TEXT_BYTES_MAX: usize = 64;

/// A status is kept whole when it is retained, so it may not be as large as a batch.
const STATUS_BYTES_MAX: usize = 16_384;

/// Reads a status. An empty payload is how a retained message is deleted; it says nothing.
pub(crate) fn decode_status(payload: &[u8]) -> Result<Option<DeviceStatus>, Rejection> {
    if payload.is_empty() {
        return Ok(None);
    }
    if payload.len() > STATUS_BYTES_MAX {
        let reason = format!("a status has at most {STATUS_BYTES_MAX} bytes");
        return Err(Rejection { sequence: None, code: "payload_too_large", reason });
    }
    let refused = |reason: String| Rejection { sequence: None, code: "not_a_status", reason };
    let status: v1::Status = if payload.first() == Some(&b'{') {
        serde_json::from_slice(payload).map_err(|error| refused(error.to_string()))?
    } else {
        v1::Status::decode(payload).map_err(|error| refused(error.to_string()))?
    };
    if !matches!(status.state.as_str(), "online" | "offline") {
        return Err(refused("state is online or offline".into()));
    }
    if [&status.firmware, &status.clock].iter().any(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(refused(format!("firmware and clock have at most {TEXT_BYTES_MAX} bytes")));
    }
    let text = |text: String| (!text.is_empty()).then_some(text);
    Ok(Some(DeviceStatus {
        battery_percent: i32::try_from(status.battery_percent)
            .ok()
            .filter(|percent| (1..=100).contains(percent)),
        queue_length: (status.state == "online")
            .then(|| i32::try_from(status.queue_length).unwrap_or(i32::MAX)),
        state: status.state,
        firmware: text(status.firmware),
        clock: text(status.clock),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_protobuf_say_the_same() {
        let status = v1::Status {
            state: "online".into(),
            battery_percent: 81,
            firmware: "1.2".into(),
            clock: String::new(),
            queue_length: 3,
        };
        let json = serde_json::json!({"state": "online", "battery_percent": 81, "firmware": "1.2", "queue_length": 3});
        let from_json = decode_status(json.to_string().as_bytes()).unwrap();
        assert_eq!(decode_status(&status.encode_to_vec()).unwrap(), from_json);
        assert_eq!(from_json.unwrap().battery_percent, Some(81));
        assert_eq!(decode_status(b"").unwrap(), None);
        assert!(decode_status(b"{").is_err());
        assert!(decode_status(b"{\"state\":\"asleep\"}").is_err());
        let mut long = json.to_string().into_bytes();
        long.resize(STATUS_BYTES_MAX, b' ');
        assert!(decode_status(&long).is_ok());
        long.push(b' ');
        assert_eq!(decode_status(&long).unwrap_err().code, "payload_too_large");
    }
}
