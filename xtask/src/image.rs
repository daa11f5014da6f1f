//! The image that tests and the demo run in: the user's, one that the engine has, a pulled one, or one
//! made here of a static busybox.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    apt,
    engine::{Engine, Version},
    failure::failure,
    process, rootfs,
};

/// The variable by which a user names the image, and by which tests find it.
pub const IMAGE_VARIABLE: &str = "BERTH_E2E_IMAGE";
const MADE_HERE: &str = "berth-busybox:local";
const PULLED: &str = "busybox:stable";
/// A registry that cannot be reached must not delay everything.
const PULL_LIMIT: Duration = Duration::from_secs(20);

/// Makes sure that the engine has an image with a shell, and returns its name.
///
/// # Errors
/// When the engine does not have the image that the user names, or none can be pulled or made.
pub fn ensure(engine: &Engine) -> Result<String> {
    let client = &engine.client;
    if let Ok(named) = env::var(IMAGE_VARIABLE)
        && !named.is_empty()
    {
        if client.has_image(&named)? {
            eprintln!("image: {named}, which {IMAGE_VARIABLE} names");
            return Ok(named);
        }
        return Err(failure(
            format!("the engine does not have {named}, which {IMAGE_VARIABLE} names"),
            format!("`docker pull {named}`, or unset {IMAGE_VARIABLE}"),
        ));
    }
    for image in [MADE_HERE, PULLED] {
        if client.has_image(image)? {
            eprintln!("image: {image}, which the engine has");
            return Ok(image.to_owned());
        }
    }
    match client.pull_image(PULLED, PULL_LIMIT) {
        Ok(()) => {
            eprintln!("image: {PULLED}, pulled");
            Ok(PULLED.to_owned())
        }
        Err(error) => {
            eprintln!("{PULLED} cannot be pulled ({error:#}); making {MADE_HERE} instead");
            make(engine)?;
            eprintln!("image: {MADE_HERE}, made of a static busybox");
            Ok(MADE_HERE.to_owned())
        }
    }
}

fn make(engine: &Engine) -> Result<()> {
    let directory = tempfile::tempdir().context("could not make a temporary directory")?;
    let busybox = static_busybox(&engine.version, directory.path())?;
    let program =
        fs::read(&busybox).with_context(|| format!("could not read {}", busybox.display()))?;
    let applets = process::read(Command::new(&busybox).arg("--list"))?;
    engine.client.import_image(MADE_HERE, rootfs::archive(&program, &applets)?)
}

/// Finds a static busybox, or takes one out of Debian's package without installing that: it would
/// replace the package `busybox`.
fn static_busybox(version: &Version, directory: &Path) -> Result<PathBuf> {
    const PACKAGE: &str = "busybox-static";
    let installed = Path::new("/bin/busybox");
    let help = format!(
        "`docker pull {PULLED}`, or set {IMAGE_VARIABLE} to an image that the engine has; it needs \
         `sh` and the usual programs"
    );
    require_same_processor(&version.architecture)
        .map_err(|error| failure(format!("{error:#}"), &*help))?;
    if installed.is_file() && apt::is_installed(PACKAGE)? {
        return Ok(installed.to_owned());
    }
    if process::find("apt-get").is_none() || process::find("dpkg-deb").is_none() {
        return Err(failure("no image can be made here: that needs Debian's packages", help));
    }
    apt::with_lists(|| apt::download(&[PACKAGE], directory))
        .map_err(|error| failure(format!("{error:#}"), help))?;
    let unpacked = apt::unpack(directory)?;
    // Older releases have it in /bin, those with one merged /usr in /usr/bin.
    ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|path| unpacked.join(path))
        .find(|path| path.is_file())
        .with_context(|| format!("there is no busybox in the package {PACKAGE}"))
}

/// Fails unless programs of this machine run on the engine. `architecture` is the engine's.
///
/// # Errors
/// When they do not.
pub fn require_same_processor(architecture: &str) -> Result<()> {
    if architecture != engine_word_for(env::consts::ARCH) {
        bail!(
            "no image can be made here: the engine runs {architecture} and this machine is {}",
            env::consts::ARCH
        );
    }
    Ok(())
}

/// The processor in the engine's words, which are Go's.
fn engine_word_for(architecture: &str) -> &str {
    match architecture {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}
