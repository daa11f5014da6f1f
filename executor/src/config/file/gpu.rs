//! Graphics processors, in the syntax of `docker run --gpus`.

use std::collections::BTreeMap;

use docker_api_trait::DeviceRequest;

use super::text::Problem;

const GPUS: &str = "graphics processors as in `docker run --gpus`: all, 2, or device=0,1";

/// Reads `all`, `2`, `device=0,1`, `"device=0,1",capabilities=utility` and the like. Without a word
/// on it, the devices must be able to do `gpu`, and one is asked for.
///
/// What holds a comma is quoted in Docker's syntax. Here a list of devices or capabilities may go on
/// without quotes: to Docker that would be a count beside the devices, which no engine takes.
pub(super) fn gpus(text: &str) -> Result<DeviceRequest, Problem> {
    let mut request = DeviceRequest::default();
    let mut count = None;
    let mut seen: Vec<String> = Vec::new();
    let mut list = None;
    for field in fields(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None if list.is_some() && !field.is_empty() => {
                match list {
                    Some(List::Devices) => request.ids.push(field),
                    _ => request.capabilities.iter_mut().for_each(|set| set.push(field.clone())),
                }
                continue;
            }
            None => ("count".to_owned(), field),
        };
        if seen.contains(&key) {
            return Err(Problem::new(format!("says {key} twice"), GPUS));
        }
        if value.is_empty() {
            return Err(Problem::new(format!("has no value for {key}"), GPUS));
        }
        list = None;
        let members = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match key.as_str() {
            "driver" => request.driver.clone_from(&value),
            "count" => count = Some(self::count(&value)?),
            "device" => {
                request.ids = members();
                list = Some(List::Devices);
            }
            "capabilities" => {
                request.capabilities = vec![members()];
                list = Some(List::Capabilities);
            }
            "options" => request.options = options(&value)?,
            _ => return Err(Problem::new(format!("has the unknown word {key:?}"), GPUS)),
        }
        seen.push(key);
    }
    if request.ids.iter().chain(request.capabilities.iter().flatten()).any(String::is_empty) {
        return Err(Problem::new("has an empty member in a list", GPUS));
    }
    if count.is_some() && !request.ids.is_empty() {
        return Err(Problem::new("names devices and says how many", GPUS));
    }
    request.count = count.unwrap_or(i64::from(request.ids.is_empty()));
    match request.capabilities.first_mut() {
        Some(set) if set.iter().any(|word| word == "gpu") => {}
        Some(set) => set.push("gpu".to_owned()),
        None => request.capabilities = vec![vec!["gpu".to_owned()]],
    }
    Ok(request)
}

/// A list that goes on in fields without a key.
#[derive(Debug, Clone, Copy)]
enum List {
    Devices,
    Capabilities,
}

fn count(text: &str) -> Result<i64, Problem> {
    if text == "all" {
        return Ok(-1);
    }
    let number = text.parse::<u16>().ok().filter(|number| *number > 0 && !text.starts_with('+'));
    number.map(i64::from).ok_or_else(|| Problem::new("has a count that is no number", GPUS))
}

fn options(text: &str) -> Result<BTreeMap<String, String>, Problem> {
    let pairs = text.split(',').map(|pair| match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Problem::new("has an option that is not of the form key=value", GPUS)),
    });
    pairs.collect()
}

/// The fields of a line of comma-separated values: one in quotes may hold commas, and quotes twice.
fn fields(text: &str) -> Result<Vec<String>, Problem> {
    let malformed = || Problem::new("has quotes that do not match", GPUS);
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let mut field = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (part, after) = quoted.split_once('"').ok_or_else(malformed)?;
                field.push_str(part);
                let Some(after_second) = after.strip_prefix('"') else {
                    rest = after;
                    break;
                };
                field.push('"');
                quoted = after_second;
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            if part.contains('"') {
                return Err(malformed());
            }
            field.push_str(part);
            rest = after;
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(fields),
            None => return Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `count ids capabilities` of a request.
    fn shown(text: &str) -> String {
        match gpus(text) {
            Ok(request) => format!(
                "{} [{}] [{}]",
                request.count,
                request.ids.join(" "),
                request.capabilities.concat().join(" ")
            ),
            Err(_) => "refused".to_owned(),
        }
    }

    #[test]
    fn requests_are_read_as_the_docker_program_reads_them() {
        for (text, expected) in [
            ("all", "-1 [] [gpu]"),
            ("2", "2 [] [gpu]"),
            ("count=all", "-1 [] [gpu]"),
            ("device=0", "0 [0] [gpu]"),
            ("\"device=0,1\"", "0 [0 1] [gpu]"),
            ("device=0,1", "0 [0 1] [gpu]"),
            ("\"device=GPU-ab,GPU-cd\",capabilities=utility", "0 [GPU-ab GPU-cd] [utility gpu]"),
            ("all,\"capabilities=compute,utility\"", "-1 [] [compute utility gpu]"),
            ("all,capabilities=compute,utility", "-1 [] [compute utility gpu]"),
            ("capabilities=gpu", "1 [] [gpu]"),
            ("driver=nvidia", "1 [] [gpu]"),
            ("driver=nvidia,count=3,options=a=b", "3 [] [gpu]"),
            ("", "refused"),
            ("0", "refused"),
            ("-1", "refused"),
            ("+1", "refused"),
            ("many", "refused"),
            ("2,device=0", "refused"),
            ("all,all", "refused"),
            ("device=", "refused"),
            ("device=0,,1", "refused"),
            ("\"device=0", "refused"),
            ("\"device=0\"1", "refused"),
            ("de\"vice=0", "refused"),
            ("colour=red", "refused"),
            ("options=a", "refused"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let request = gpus("driver=nvidia,\"options=a=b,c=d\"").unwrap();
        assert_eq!(request.driver, "nvidia");
        assert_eq!(request.options["c"], "d");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9,=\"]{0,30}|\\PC{0,30}") {
            let _ = gpus(&text);
        }
    }
}
