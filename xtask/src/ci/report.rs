//! The steps of `ci`: announced, timed, and summed up in a table.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// What has been done so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    verdict: Verdict,
}

#[derive(Debug)]
enum Verdict {
    Passed(Duration),
    Failed(Duration),
    /// Not run, and why.
    Omitted(&'static str),
}

impl Report {
    /// Runs a step; its failure names it.
    pub(super) fn step(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        let verdict = if result.is_ok() { Verdict::Passed(took) } else { Verdict::Failed(took) };
        self.rows.push(Row { name, verdict });
        result.with_context(|| format!("the step `{name}` failed"))
    }

    /// Notes that a step is not run.
    pub(super) fn omit(&mut self, name: &'static str, reason: &'static str) {
        println!("\n==> {name}: {reason}");
        self.rows.push(Row { name, verdict: Verdict::Omitted(reason) });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for Row { name, verdict } in &self.rows {
            match verdict {
                Verdict::Passed(took) => {
                    writeln!(formatter, "{name:width$}  ok      {:7.1} s", took.as_secs_f64())?;
                }
                Verdict::Failed(took) => {
                    writeln!(formatter, "{name:width$}  FAILED  {:7.1} s", took.as_secs_f64())?;
                }
                Verdict::Omitted(reason) => writeln!(formatter, "{name:width$}  {reason}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_passed_failed_and_omitted_steps_apart() {
        let mut report = Report::default();
        report.step("format", || Ok(())).unwrap();
        report.omit("advisories", "NOT checked, the database is out of reach");
        let error = report.step("tests", || anyhow::bail!("exit 1")).unwrap_err();
        assert_eq!(format!("{error:#}"), "the step `tests` failed: exit 1");
        let expected = "\
format      ok          0.0 s
advisories  NOT checked, the database is out of reach
tests       FAILED      0.0 s
";
        assert_eq!(report.to_string(), expected);
    }
}
