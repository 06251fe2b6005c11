//! Programs that end with this one, however it ends.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing in these tests takes long; what takes this long hangs.
const HANG: Duration = Duration::from_mins(2);

/// Waits until something is there.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < HANG, "{what}: not within {HANG:?}; the logs are in {}", logs().display());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Prints a figure that every run is to show, of tests that pass too.
pub(crate) fn say(figure: &str) {
    // What the print macros print is kept from the terminal.
    let _ = writeln!(std::io::stderr(), "{figure}");
}

/// Where the logs of the last run stay.
pub(crate) fn logs() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster")
}

pub(crate) struct Process {
    pub(crate) name: String,
    keeper: Child,
    /// The keeper ends the program when this end of the pipe is gone, a killed test's too.
    _leash: ChildStdin,
}

impl Process {
    /// Starts a program whose state is in `folder`; its output goes to a log of its name.
    /// Whom it is to the cluster is in `kubeconfig`, for those that read it.
    pub(crate) fn start(name: &str, folder: &Path, kubeconfig: &Path, program: &Path, arguments: &[String]) -> Self {
        let log = File::create(logs().join(format!("{name}.log"))).unwrap();
        let id = logs().join(format!("{name}.pid"));
        // The last keeper to end leaves no folder behind.
        let keep = r#"folder=$1 id=$2; shift 2; "$@" </dev/null & child=$!
            echo $child >"$id.new"; mv "$id.new" "$id"
            (while kill -0 $child; do sleep 1; done; kill $$) 2>/dev/null & watch=$!
            trap 'kill -9 $child $watch; wait $child; rm -rf "$folder"; exit' TERM
            while read -r _; do :; done
            kill -9 $child $watch; wait $child; rm -rf "$folder""#;
        let mut keeper = Command::new("bash")
            .args(["-c", keep, "keeper"])
            .arg(folder)
            .arg(&id)
            .arg(program)
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            // A pod's name; others go by what they are told.
            .env("HOSTNAME", name)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let leash = keeper.stdin.take().unwrap();
        until("the program's id is known", || id.exists().then_some(()));
        Self { name: name.to_owned(), keeper, _leash: leash }
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = std::fs::read_to_string(logs().join(format!("{}.pid", self.name))).unwrap();
        let id = Pid::from_raw(id.trim().parse().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits until the program has ended, by itself or by a signal.
    pub(crate) fn ended(&mut self) {
        until(&format!("{} ends", self.name), || self.keeper.try_wait().unwrap());
    }

    /// Fails when the program has ended.
    pub(crate) fn must_run(&mut self) {
        let ended = self.keeper.try_wait().unwrap();
        assert!(ended.is_none(), "{} ended; its log is in {}", self.name, logs().display());
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
