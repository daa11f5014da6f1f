//! `SystemApi` on a real engine.

use async_trait::async_trait;
use serde::Deserialize;

use super::{BollardDocker, convert};
use crate::{ApiError, Capabilities, EngineInfo, EngineVersion, Operation, SystemApi, VolumeUsage};

#[async_trait]
impl SystemApi for BollardDocker {
    async fn version(&self) -> Result<EngineVersion, ApiError> {
        let reply = self.call(Operation::Version, self.docker().version()).await?;
        convert::engine_version(reply)
    }

    async fn info(&self) -> Result<EngineInfo, ApiError> {
        let reply: Info = self.get(Operation::Info, "/info", &[]).await?;
        Ok(reply.engine())
    }

    /// The client library reads only the form that engines have since version 1.52 of the API.
    async fn disk_usage(&self) -> Result<Vec<VolumeUsage>, ApiError> {
        let operation = Operation::DiskUsage;
        let query = [("type", "volume"), ("verbose", "1")];
        let usage: Usage = self.get(operation, "/system/df", &query).await?;
        let volumes = usage.volumes.or(usage.volume_usage.and_then(|usage| usage.items));
        Ok(volumes.unwrap_or_default().into_iter().map(MeasuredVolume::usage).collect())
    }

    /// Nothing is watched over here.
    fn outages(&self) -> u64 {
        0
    }

    fn is_away(&self) -> bool {
        false
    }

    fn is_steady(&self) -> bool {
        false
    }

    fn capabilities(&self) -> Capabilities {
        self.transport().capabilities()
    }

    fn requests_sent(&self) -> u64 {
        self.sent()
    }
}

/// The reply in both forms: a list of its own, and since version 1.52 one among totals.
#[derive(Deserialize)]
struct Info {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "LiveRestoreEnabled")]
    live_restore: Option<bool>,
    #[serde(rename = "DockerRootDir")]
    folder: Option<String>,
    #[serde(rename = "SystemTime")]
    time: Option<String>,
    /// What builds images; Podman alone tells it.
    #[serde(rename = "BuildahVersion")]
    buildah: Option<String>,
}

impl Info {
    fn engine(self) -> EngineInfo {
        // Podman has no id of an engine: each of its replies has another one.
        let draws_ids = self.buildah.is_some();
        let id = self.id.filter(|id| !id.is_empty() && !draws_ids);
        // Engines on one host share the id, and so do hosts that were copied; what is on them is in
        // folders of their own.
        let folder = self.folder.filter(|folder| !folder.is_empty());
        EngineInfo {
            id: id.map(|id| folder.map_or(id.clone(), |folder| format!("{id} in {folder}"))),
            // Each of Podman's containers has a process of its own that watches over it.
            live_restore: draws_ids || self.live_restore.unwrap_or_default(),
            now: self.time.as_deref().and_then(convert::moment),
        }
    }
}

#[derive(Deserialize)]
struct Usage {
    #[serde(rename = "Volumes")]
    volumes: Option<Vec<MeasuredVolume>>,
    #[serde(rename = "VolumeUsage")]
    volume_usage: Option<UsageOfVolumes>,
}

#[derive(Deserialize)]
struct UsageOfVolumes {
    #[serde(rename = "Items")]
    items: Option<Vec<MeasuredVolume>>,
}

#[derive(Deserialize)]
struct MeasuredVolume {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "UsageData")]
    usage: Option<UsageData>,
}

/// -1 stands for what is not known.
#[derive(Deserialize)]
struct UsageData {
    #[serde(rename = "Size")]
    size: i64,
    #[serde(rename = "RefCount")]
    references: i64,
}

impl MeasuredVolume {
    fn usage(self) -> VolumeUsage {
        let known = |number: i64| u64::try_from(number).ok();
        let mut usage = VolumeUsage::new(self.name);
        if let Some(data) = self.usage {
            usage.bytes = known(data.size);
            usage.references = known(data.references);
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_drawn_for_each_reply_is_none() {
        let id = |reply| serde_json::from_value::<Info>(reply).unwrap().engine().id;
        // An engine for Windows has no program that is process 1, either.
        assert!(id(serde_json::json!({ "ID": "a", "InitBinary": "" })).is_some());
        assert!(id(serde_json::json!({ "ID": "a", "BuildahVersion": "1.28.2" })).is_none());
        assert!(id(serde_json::json!({ "ID": "" })).is_none());
    }

    #[test]
    fn both_forms_of_the_reply_are_read() {
        let volume = r#"{"Name":"a","UsageData":{"Size":7,"RefCount":-1}}"#;
        for reply in [
            format!(r#"{{"LayersSize":1,"Volumes":[{volume}]}}"#),
            format!(r#"{{"VolumeUsage":{{"TotalCount":1,"Items":[{volume}]}}}}"#),
        ] {
            let usage: Usage = serde_json::from_str(&reply).unwrap();
            let volumes = usage.volumes.or(usage.volume_usage.and_then(|usage| usage.items));
            let mut expected = VolumeUsage::new("a");
            expected.bytes = Some(7);
            assert_eq!(volumes.unwrap().remove(0).usage(), expected);
        }
    }
}
