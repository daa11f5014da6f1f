//! The image that tests and the demo run in: the user's, one that is there, a pulled one, or one
//! made here of a static busybox.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use docker_api_trait::{ApiError, DockerApi, ImageReference, PullRequest};
use futures_util::TryStreamExt as _;
use tokio::{process::Command, time::timeout};

use crate::{apt, failure::failure, process, rootfs};

/// The variable by which a user names the image, and by which tests learn of it.
pub(crate) const IMAGE_VARIABLE: &str = "BERTH_E2E_IMAGE";
const MADE_HERE: &str = "berth-busybox:local";
const PULLED: &str = "busybox:stable";
/// A registry that is out of reach must not hold everything up.
const PULL_LIMIT: Duration = Duration::from_secs(20);

/// Makes sure that the engine has an image with a shell, and returns its name.
pub(crate) async fn ensure_image(docker: &dyn DockerApi) -> Result<ImageReference> {
    if let Ok(named) = env::var(IMAGE_VARIABLE)
        && !named.is_empty()
    {
        return named_image(docker, &named).await;
    }
    let made_here = ImageReference::new(MADE_HERE)?;
    let pulled = ImageReference::new(PULLED)?;
    for image in [&made_here, &pulled] {
        if has(docker, image).await? {
            eprintln!("image: {image}, which the engine has");
            return Ok(image.clone());
        }
    }
    match pull(docker, &pulled).await {
        Ok(()) => {
            eprintln!("image: {pulled}, pulled");
            Ok(pulled)
        }
        Err(error) => {
            eprintln!("{pulled} cannot be pulled ({error:#}); making {made_here} instead");
            make(docker, &made_here).await?;
            eprintln!("image: {made_here}, made of a static busybox");
            Ok(made_here)
        }
    }
}

async fn named_image(docker: &dyn DockerApi, named: &str) -> Result<ImageReference> {
    let image = ImageReference::new(named)
        .with_context(|| format!("{IMAGE_VARIABLE} does not name an image"))?;
    if has(docker, &image).await? {
        eprintln!("image: {image}, which {IMAGE_VARIABLE} names");
        return Ok(image);
    }
    Err(failure(
        format!("the engine does not have {image}, which {IMAGE_VARIABLE} names"),
        format!("`docker pull {image}`, or unset {IMAGE_VARIABLE}"),
    ))
}

async fn has(docker: &dyn DockerApi, image: &ImageReference) -> Result<bool> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(ApiError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn pull(docker: &dyn DockerApi, image: &ImageReference) -> Result<()> {
    let pull = async {
        let messages = docker.pull_image(&PullRequest::new(image.clone())).await?;
        messages.try_for_each(|_| async { Ok(()) }).await?;
        // The end of the messages does not prove that the image is there.
        docker.inspect_image(image).await
    };
    timeout(PULL_LIMIT, pull)
        .await
        .with_context(|| format!("not done after {} s", PULL_LIMIT.as_secs()))??;
    Ok(())
}

async fn make(docker: &dyn DockerApi, image: &ImageReference) -> Result<()> {
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let busybox = static_busybox(docker, folder.path()).await?;
    let program =
        fs::read(&busybox).with_context(|| format!("could not read {}", busybox.display()))?;
    let applets = process::read(Command::new(&busybox).arg("--list")).await?;
    docker.import_image(image, rootfs::archive(&program, &applets)?).await?;
    Ok(())
}

/// Finds a static busybox, or takes one out of Debian's package without installing that: it would
/// replace the package `busybox`.
async fn static_busybox(docker: &dyn DockerApi, folder: &Path) -> Result<PathBuf> {
    const PACKAGE: &str = "busybox-static";
    let installed = Path::new("/bin/busybox");
    let help = format!(
        "`docker pull {PULLED}`, or set {IMAGE_VARIABLE} to an image that the engine has; it needs \
         `sh` and the usual programs"
    );
    require_same_processor(docker).await.map_err(|error| failure(format!("{error:#}"), &*help))?;
    if installed.is_file() && apt::is_installed(PACKAGE).await? {
        return Ok(installed.to_owned());
    }
    if process::find("apt-get").is_none() || process::find("dpkg-deb").is_none() {
        return Err(failure("no image can be made here: that needs Debian's packages", help));
    }
    apt::with_lists(async || apt::download(&[PACKAGE], folder).await)
        .await
        .map_err(|error| failure(format!("{error:#}"), help))?;
    let unpacked = apt::unpack(folder).await?;
    // Older releases have it in /bin, those with one merged /usr in /usr/bin.
    ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|path| unpacked.join(path))
        .find(|path| path.is_file())
        .with_context(|| format!("there is no busybox in the package {PACKAGE}"))
}

/// Fails unless programs of this machine run on the engine.
pub(crate) async fn require_same_processor(docker: &dyn DockerApi) -> Result<()> {
    let architecture = docker.version().await?.architecture;
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
