//! Secrets that are looked for in every form in which they could get out.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};

/// A value that is nowhere else, and is written differently in every form.
pub(crate) fn canary(place: &str) -> String {
    let drawn = tempfile::Builder::new().rand_bytes(16).prefix("").tempdir().unwrap();
    let drawn = drawn.path().file_name().unwrap().to_string_lossy().into_owned();
    format!("canary-{place}-\"{drawn}\\é&/+?")
}

/// A secret in its forms: raw, base64 wherever it begins, of a URL, hexadecimal, in JSON.
pub(crate) fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![secret.to_owned()];
    for engine in [&BASE64_STANDARD, &BASE64_URL_SAFE] {
        for offset in 0..3 {
            let text = engine.encode([&vec![0; offset], bytes].concat());
            // What depends on the bytes around it goes.
            let begin = [0, 2, 3][offset];
            let end = text.trim_end_matches('=').len() - [0, 1, 1][(offset + bytes.len()) % 3];
            forms.push(text[begin..end].to_owned());
        }
    }
    let hex = |upper: bool| -> Vec<String> {
        let digits = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        bytes.iter().map(digits).collect()
    };
    forms.extend([hex(false).concat(), hex(true).concat()]);
    for digits in [hex(false), hex(true)] {
        let kept = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
        let escaped = bytes.iter().zip(digits).map(|(byte, digits)| {
            if kept(byte) { char::from(*byte).to_string() } else { format!("%{digits}") }
        });
        forms.push(escaped.collect());
    }
    // In a JSON text, in one that is in a JSON text, and as the log's own debug output has it.
    let json = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
    forms.extend([
        json(secret),
        json(&json(secret)),
        format!("{secret:?}").trim_matches('"').into(),
    ]);
    forms.sort();
    forms.dedup();
    forms
}

/// Which of these secrets are in the text, and in what form.
pub(crate) fn found(text: &str, secrets: &[String]) -> Vec<String> {
    let secrets = secrets.iter().flat_map(|secret| forms(secret));
    secrets.filter(|form| text.contains(form)).collect()
}
