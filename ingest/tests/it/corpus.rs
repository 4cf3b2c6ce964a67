//! What the fuzzer found worth keeping, read once more by the compiler of the tests.

#[expect(unreachable_pub, reason = "a crate of its own elsewhere")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

use vigie_wire::Encoding;

#[test]
fn what_holds_of_any_payload_holds_of_the_corpus() {
    for (name, encoding) in [
        ("protobuf", Encoding::Protobuf),
        ("json", Encoding::Json),
        ("senml_json", Encoding::SenmlJson),
        ("senml_cbor", Encoding::SenmlCbor),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let mut replayed = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            targets::payload(encoding, &std::fs::read(entry.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed > 0, "{} is empty", folder.display());
    }
}
