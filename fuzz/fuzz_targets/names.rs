//! Names and ids on their way into a URL: what is accepted is one segment, or the path, of the address
//! that the client library makes of it.

#![no_main]

use docker_api_trait::{
    ContainerId, ContainerName, ExecId, ImageReference, NetworkId, NetworkName, VolumeName,
};
use libfuzzer_sys::fuzz_target;
use url::Url;

/// The name is where it was put, and nothing else changed.
fn assert_stays(folder: &str, name: &str, end: &str) {
    let path = format!("/{folder}/{name}{end}");
    let url = Url::parse(&format!("http://engine{path}")).expect("an address");
    assert_eq!(url.path(), path, "{name:?} has left its place");
    assert!(url.query().is_none() && url.fragment().is_none(), "{name:?}");
    assert_eq!(url.host_str(), Some("engine"), "{name:?}");
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = VolumeName::new(text) {
        assert!(!text.contains('/'));
        assert_stays("volumes", name.as_str(), "");
    }
    if let Ok(name) = ContainerName::new(text) {
        assert_stays("containers", name.as_str(), "/json");
    }
    if let Ok(name) = NetworkName::new(text) {
        assert_stays("networks", name.as_str(), "");
    }
    for id in [
        ContainerId::new(text).map(String::from),
        NetworkId::new(text).map(String::from),
        ExecId::new(text).map(String::from),
    ] {
        if let Ok(id) = id {
            assert_eq!(id.len(), 64);
            assert_stays("exec", &id, "/json");
        }
    }
    if let Ok(image) = ImageReference::new(text) {
        assert_stays("images", image.as_str(), "/json");
    }
});
