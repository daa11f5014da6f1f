//! References of images, and what an image is by its reference alone.

use docker_api_trait::ImageDetails;

/// The engine's own platform.
const OS: &str = "linux";
const ARCHITECTURE: &str = "amd64";

/// The one form of a reference: without the default registry, with a digest or else a tag. An id
/// stays as it is.
pub(super) fn canonical(reference: &str) -> String {
    if reference.starts_with("sha256:") {
        return reference.to_owned();
    }
    let name = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|registry| reference.strip_prefix(registry))
        .unwrap_or(reference);
    let name = name.strip_prefix("library/").unwrap_or(name);
    match name.split_once('@') {
        // Beside a digest, a tag means nothing.
        Some((tagged, digest)) => format!("{}@{digest}", repository(tagged)),
        None if repository(name) == name => format!("{name}:latest"),
        None => name.to_owned(),
    }
}

/// A reference without its tag and digest. A colon before the last slash is a port's.
pub(super) fn repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    name[last..].find(':').map_or(name, |colon| &name[..last + colon])
}

/// An image that no registry knows has no digests.
pub(super) fn local(name: &str) -> ImageDetails {
    of_this_platform(id_of(name.as_bytes()))
}

pub(super) fn of_this_platform(id: String) -> ImageDetails {
    let mut image = ImageDetails::new(id);
    OS.clone_into(&mut image.os);
    ARCHITECTURE.clone_into(&mut image.architecture);
    image
}

/// An image as its registry has it, which knows it by a digest.
pub(super) fn in_registry(name: &str) -> ImageDetails {
    let mut image = local(name);
    let digest =
        name.split_once('@').map_or_else(|| image.id.clone(), |(_, digest)| digest.to_owned());
    image.digests = vec![format!("{}@{digest}", repository(name))];
    image
}

/// Makes the image one for this platform, `OS/ARCHITECTURE` with a variant perhaps.
pub(super) fn set_platform(image: &mut ImageDetails, platform: &str) {
    let mut words = platform.split('/').map(ToOwned::to_owned);
    image.os = words.next().unwrap_or_default();
    image.architecture = words.next().unwrap_or_default();
}

/// An id that only depends on `content`, so that it is the same in every process: FNV-1a, four
/// times with other beginnings. It looks like SHA-256 and promises nothing of the kind.
pub(super) fn id_of(content: &[u8]) -> String {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let words = [0, 1, 2, 3].map(|salt| {
        let hash = content
            .iter()
            .fold(BASIS ^ salt, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
        format!("{hash:016x}")
    });
    format!("sha256:{}", words.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_image_have_one_form() {
        for (given, form) in [
            ("busybox", "busybox:latest"),
            ("library/busybox", "busybox:latest"),
            ("docker.io/library/busybox:1.36", "busybox:1.36"),
            ("docker.io/team/tool", "team/tool:latest"),
            ("localhost:5000/tool", "localhost:5000/tool:latest"),
            ("localhost:5000/tool:1", "localhost:5000/tool:1"),
            ("tool@sha256:00", "tool@sha256:00"),
            ("tool:1@sha256:00", "tool@sha256:00"),
            ("sha256:00", "sha256:00"),
        ] {
            assert_eq!(canonical(given), form, "{given}");
        }
    }

    #[test]
    fn a_repository_has_no_tag_and_no_digest_but_perhaps_a_port() {
        assert_eq!(repository("localhost:5000/tool:1"), "localhost:5000/tool");
        assert_eq!(repository("localhost:5000/tool"), "localhost:5000/tool");
        assert_eq!(repository("tool:1@sha256:00"), "tool");
    }
}
