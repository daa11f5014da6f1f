//! `SystemApi` on a real engine.

use async_trait::async_trait;
use bollard::{BollardRequest, errors::Error};
use http_body_util::BodyExt as _;
use hyper::Request;
use serde::Deserialize;

use super::{BollardDocker, convert};
use crate::{ApiError, EngineVersion, Operation, SystemApi, VolumeUsage};

#[async_trait]
impl SystemApi for BollardDocker {
    async fn version(&self) -> Result<EngineVersion, ApiError> {
        let reply = self.call(Operation::Version, self.docker().version()).await?;
        convert::engine_version(reply)
    }

    /// The client library reads only the form that engines have since version 1.52 of the API.
    async fn disk_usage(&self) -> Result<Vec<VolumeUsage>, ApiError> {
        let operation = Operation::DiskUsage;
        let address = convert::base_address(self.endpoint());
        let request: BollardRequest =
            Request::get(format!("{address}/system/df?type=volume&verbose=1"))
                .header("host", "docker")
                .body(bollard::body_full(bytes::Bytes::new()))
                .map_err(|error| protocol(operation, &error))?;
        let reply = async {
            let reply = self.transport().request(request).await?;
            let status = reply.status().as_u16();
            let body = reply.into_body().collect().await;
            let body = body.map_err(|err| Error::HyperResponseError { err })?.to_bytes();
            Ok((status, body))
        };
        let (status, body) = self.call(operation, reply).await?;
        if status != 200 {
            let message = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.message);
            let message = message.unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned());
            return Err(ApiError::from_status(operation, status, message));
        }
        let usage: Usage =
            serde_json::from_slice(&body).map_err(|error| protocol(operation, &error))?;
        let volumes = usage.volumes.or(usage.volume_usage.and_then(|usage| usage.items));
        Ok(volumes.unwrap_or_default().into_iter().map(MeasuredVolume::usage).collect())
    }

    fn requests_sent(&self) -> u64 {
        self.sent()
    }
}

fn protocol(operation: Operation, error: &dyn std::error::Error) -> ApiError {
    ApiError::Protocol { operation, detail: error.to_string() }
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// The reply in both forms: a list of its own, and since version 1.52 one among totals.
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
