//! The shell text that a container runs: it reads steps and runs each in a process of its own. Pure.
//!
//! The supervisor is whatever `sh` the image has, so it uses only what every POSIX shell has, and it
//! must survive what images, variables and scripts can do to a shell:
//!
//! - bash takes options and functions from its environment. So a bash starts itself again with `-p`,
//!   which ignores those, before it does anything else. `exec` and `eval` are special builtins: no
//!   function can replace them in a shell that is called `sh`.
//! - Variables such as `BASH_VERSION` prove nothing: any shell may have them. A bash is known by its `-p`.
//! - `TMOUT` would end `read`, so each `read` has an empty one.
//! - `cat`, `head`, `setsid` and `env` may be missing or may not work: there is a way without each.
//! - A variable that the environment has is exported, also when its value is a new one. So it unsets its
//!   own, which all begin with `berth_`, before it sets one: a script must not learn a mark.
//! - Its own standard outputs lead nowhere. The outputs of the container are its descriptors 3 and 4,
//!   so that no message of the supervisor can get into a log.

/// Runs the supervisor: `$1` is its text, `$2` the container's name.
const BEGIN: &str = r#"case ${BASH_VERSION:+$BASH} in
/*) exec "$BASH" -p -c "$1" "$0" "$1" "$2" ;;
esac
eval "$1""#;

/// The supervisor.
///
/// A process of its own passes the input on, and notices its end while a step runs: then the step has
/// a second to end, before the container is killed. Where bash is, is what GitLab Runner looks for.
///
/// Each step's text is evaluated in a subshell. If that is killed, the step may still run, so that the
/// container has to end. It sets `berth_script`, the variables that the
/// container's environment does not hold, and as `$@` those that only `env` can pass on. The step's
/// shell gets the script through a pipe on descriptor 9: it is in no argument, where `ps` would show it,
/// and in no file, as there may be no place for one. Whoever writes into the pipe is not waited for: a
/// background process of the script may hold the other end open.
///
/// A program may have left an output so that a full pipe is an error. A mark is short, so that it is
/// written whole or not at all, and is written again until it is.
///
/// When a script has ended, processes that it left in the background and that still write to its
/// outputs are polled ten times, 20 ms apart: they may be about to write their last lines, as in
/// `exec > >(tee log)`.
const SUPERVISOR: &str = r##"set +aefmnuvx
unset berth_bash berth_before berth_code berth_late berth_line berth_mark berth_pipefail berth_process \
berth_script berth_shell berth_size berth_text berth_try berth_variable
trap : HUP INT QUIT TERM ALRM USR1 USR2
case $- in
*p*) berth_bash=1 ;;
esac
for berth_shell in /usr/local/bin/bash /usr/bin/bash /bin/bash; do
[ ! -x "$berth_shell" ] || break
berth_shell=
done
berth_pipefail=1
if [ -z "$berth_shell" ]; then
berth_shell=$(command -v sh)
berth_shell=${berth_shell:-sh}
(set -o pipefail) 2>/dev/null || berth_pipefail=
fi
exec 3>&1 4>&2 >/dev/null 2>/dev/null
{
trap '' HUP INT QUIT TERM ALRM USR1 USR2
exec 3>&- 4>&-
cat || while IFS= TMOUT= read -r berth_line; do
printf '%s\n' "$berth_line"
done
{ sleep 1; kill -KILL "$$"; } >/dev/null &
} | {
trap : HUP INT QUIT TERM ALRM USR1 USR2
(
trap : HUP INT QUIT TERM ALRM USR1 USR2
berth_print() {
until printf '%s' "$1" >&3; do sleep 0.05 || sleep 1; done
until printf '%s' "$1" >&4; do sleep 0.05 || sleep 1; done
}
berth_is_output() {
[ "$1" -ef /proc/self/fd/3 ] || [ "$1" -ef /proc/self/fd/4 ]
}
berth_step() {
trap : HUP INT QUIT TERM ALRM USR1 USR2
set --
eval "$berth_text"
{ printf '%s' "$berth_script" & } | {
trap - HUP INT QUIT TERM ALRM USR1 USR2
exec 9<&0 <>/dev/null >&3 2>&4 3>&- 4>&-
case $berth_bash:${SHLVL-} in
:1) unset SHLVL ;;
1:*) export -n SHELLOPTS BASHOPTS ;;
esac
if [ "$#" -gt 0 ] && command -v env >/dev/null 2>&1; then
set -- env "$@" "$berth_shell"
else
for berth_variable do
command export "$berth_variable" 2>/dev/null
done
set -- "$berth_shell"
fi
if [ -z "${LD_PRELOAD-}${LD_AUDIT-}" ] && command -v setsid >/dev/null 2>&1; then
set -- setsid "$@"
fi
if [ -n "$berth_pipefail" ]; then
exec "$@" -e -o pipefail /dev/fd/9
fi
exec "$@" -e /dev/fd/9
}
}
berth_print "$2+"
while IFS=' ' TMOUT= read -r berth_mark berth_size; do
[ -n "$berth_size" ] || continue
berth_text=$(head -c "$berth_size") || {
berth_text=
while IFS= TMOUT= read -r berth_line && [ "$berth_line" != "$berth_mark" ]; do
berth_text="$berth_text$berth_line
"
done
berth_text=${berth_text%?}
}
case $berth_text in
"#$berth_mark
"*"
#$berth_mark") ;;
*) exit 125 ;;
esac
berth_before=' '
for berth_process in /proc/[0-9]*; do
berth_before="$berth_before$berth_process "
done
berth_print "$berth_mark+"
berth_code=$(berth_step; printf '%s' "$?")
[ -n "$berth_code" ] || { kill -KILL "$$"; exit 137; }
for berth_try in 1 2 3 4 5 6 7 8 9 10; do
berth_late=
for berth_process in /proc/[0-9]*; do
case $berth_before in
*" $berth_process "*) continue ;;
esac
if berth_is_output "$berth_process/fd/1" || berth_is_output "$berth_process/fd/2"; then
berth_late=1
break
fi
done
[ -n "$berth_late" ] || break
sleep 0.02 || break
done
berth_print "$berth_mark-$berth_code."
done
)
berth_code=$?
[ "$berth_code" -le 128 ] || kill -KILL "$$"
exit "$berth_code"
}"##;

/// What comes after the `sh` that is a container's supervisor. `name` is the container's name: the
/// supervisor writes it, followed by `+`, to both outputs when it is ready to read steps. The word after
/// the first text is the supervisor's name in `ps`.
pub(crate) fn arguments(name: &str) -> Vec<String> {
    ["-c", BEGIN, "berth", SUPERVISOR, name].map(ToOwned::to_owned).to_vec()
}
