//! The texts that are masked for one secret: a value is often printed without the line break that its
//! file ends in, line by line, or with other line ends.

/// A shorter secret is not masked: the text would turn into masks, and the masks would show the secret.
pub const MIN_MASKED_CHARS: usize = 4;

/// A shorter line of a secret of several lines is masked only as a part of the whole: such a line is
/// often `{` or `end`. GitLab masks no variable that is shorter.
pub const MIN_MASKED_LINE_CHARS: usize = 8;

/// Returns what is masked for a secret: its value without the white space around it, that value with
/// line feeds alone if it has Windows line ends, and each line that is long enough. A short secret has no
/// form.
pub(crate) fn mask_forms(secret: &str) -> Vec<String> {
    let whole = secret.trim();
    if is_shorter(whole, MIN_MASKED_CHARS) {
        return Vec::new();
    }
    let mut forms = vec![whole.to_owned()];
    if whole.contains("\r\n") {
        forms.push(whole.replace("\r\n", "\n"));
    }
    let lines = whole.split(['\n', '\r']).map(str::trim);
    let lines = lines.filter(|line| *line != whole && !is_shorter(line, MIN_MASKED_LINE_CHARS));
    forms.extend(lines.map(ToOwned::to_owned));
    forms
}

/// Whether a secret has a value that is too short to be masked.
pub(crate) fn is_too_short_to_mask(secret: &str) -> bool {
    !secret.is_empty() && is_shorter(secret.trim(), MIN_MASKED_CHARS)
}

/// Looks at no more characters than it must: a secret may be megabytes long.
fn is_shorter(text: &str, chars: usize) -> bool {
    text.chars().nth(chars - 1).is_none()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::log::Masker;

    /// A private key as a file has it, with lines of 64 characters and a short last one.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                       MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n\
                       MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu\n\
                       Nw==\n\
                       -----END PRIVATE KEY-----\n";

    /// The text masked for the secret, cut at every place.
    #[track_caller]
    fn assert_masked(secret: &str, text: &str, expected: &str) {
        let masker = Masker::new(mask_forms(secret)).unwrap();
        for cut in 0..=text.len() {
            let mut stream = masker.stream();
            let (first, second) = text.as_bytes().split_at(cut);
            let mut shown = stream.push(&Bytes::copy_from_slice(first)).to_vec();
            shown.extend_from_slice(&stream.push(&Bytes::copy_from_slice(second)));
            shown.extend_from_slice(&stream.finish());
            assert_eq!(String::from_utf8_lossy(&shown), expected, "cut at {cut}");
        }
    }

    #[test]
    fn white_space_around_a_secret_is_no_part_of_its_mask() {
        for secret in ["s3cret-token\n", "s3cret-token\r\n", "\n s3cret-token \t\n\n"] {
            assert_masked(secret, "a s3cret-token!", "a [MASKED]!");
            assert_masked(secret, "s3cret-token\n", "[MASKED]\n");
            assert_masked(secret, "s3cret-token\r\n", "[MASKED]\r\n");
        }
    }

    #[test]
    fn a_key_is_masked_as_a_whole_and_line_by_line() {
        assert_masked(KEY, &format!("key:\n{KEY}end\n"), "key:\n[MASKED]\nend\n");
        let numbered: Vec<_> =
            KEY.lines().enumerate().map(|(index, line)| format!("{index} {line}\n")).collect();
        let expected = "0 [MASKED]\n1 [MASKED]\n2 [MASKED]\n3 Nw==\n4 [MASKED]\n";
        assert_masked(KEY, &numbered.concat(), expected);
        // As `tr -d '\n'` leaves it: only the short line shows.
        let joined = KEY.replace('\n', "");
        assert_masked(KEY, &joined, "[MASKED][MASKED][MASKED]Nw==[MASKED]");
    }

    #[test]
    fn line_ends_of_windows_do_not_unmask_a_secret() {
        let windows = KEY.replace('\n', "\r\n");
        assert_masked(&windows, &windows, "[MASKED]\r\n");
        assert_masked(&windows, KEY, "[MASKED]\n");
        assert_masked("abcd\r\nefgh\r\n", "abcd\nefgh\n", "[MASKED]\n");
        // A secret with line feeds, printed with line ends of Windows, is masked line by line.
        let masked = "[MASKED]\r\n[MASKED]\r\n[MASKED]\r\nNw==\r\n[MASKED]\r\n";
        assert_masked(KEY, &windows, masked);
    }

    #[test]
    fn an_indented_secret_is_masked_line_by_line() {
        let json = "{\n  \"user\": \"ci\",\n  \"password\": \"s3cret-token\"\n}\n";
        assert_masked(json, "\"password\": \"s3cret-token\"\n", "[MASKED]\n");
        assert_masked(json, "{}\n", "{}\n");
    }

    #[test]
    fn a_short_line_alone_is_not_masked() {
        assert_eq!(mask_forms("1234567\n12345678"), ["1234567\n12345678", "12345678"]);
        assert_eq!(mask_forms("\u{e4}\u{e4}\u{e4}\u{e4}\n12345678").len(), 2);
    }

    #[test]
    fn a_short_secret_is_not_masked() {
        for secret in ["a", "abc", "abc\n", " \n\r\n   ", "\u{e4}\u{e4}\u{e4}"] {
            assert!(mask_forms(secret).is_empty(), "{secret:?}");
            assert!(is_too_short_to_mask(secret), "{secret:?}");
        }
        for secret in ["abcd", "abcd\n", "a\nbc"] {
            assert_eq!(mask_forms(secret), [secret.trim()], "{secret:?}");
            assert!(!is_too_short_to_mask(secret));
        }
        assert!(mask_forms("").is_empty() && !is_too_short_to_mask(""));
    }
}
