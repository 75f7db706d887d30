//! The head that leads follows a branch: the walk through examples/gitops with a real repository, real ssh signatures, and ssh
//! between the heads.

use std::process::Command;

use super::harness::{TestLab, Turn, haoscar, is_root, text, until};
use super::staged::DIES;
use super::whole_way::Site;

/// A person's machine would have these; here they lie on the storage that both heads see.
const PEOPLE: &str = "cd /srv/state && git init -q --bare -b main site.git && mv gitops clone && git init -q -b main clone &&
    for who in ops eve; do ssh-keygen -q -t ed25519 -N '' -C $who -f $who; done &&
    cp ops.pub clone/ && cd clone && git remote add origin /srv/state/site.git &&
    git config core.hooksPath hooks && git config gpg.format ssh && git config user.name Ops && git config user.email ops@site.example";

/// Each head's root may log in on the other one, as an administrator sets it up.
const SSH: &str =
    "ssh-keygen -A >/dev/null && systemctl enable --now ssh && mkdir -p -m 700 /root/.ssh && cd /root/.ssh &&
    printf 'StrictHostKeyChecking accept-new\\n' > config && ssh-keygen -q -t ed25519 -N '' -f id_ed25519 &&
    cp id_ed25519.pub /srv/state/$(hostname).key";

const NAMES: &str = "/etc/dnsmasq.d/haoscar-names.conf";

/// A commit that the hook would not make.
pub const WRONG: &str = "a typing error";

pub struct Branch {
    site: Site,
    /// The spec as it is pushed.
    pub text: String,
    folder: tempfile::TempDir,
}

impl Branch {
    /// A lab of that name whose heads follow a repository at this address.
    pub fn new(name: &str, repository: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut site = Site::fresh(name, "two-node", "head-1,head-2");
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/gitops");
        let text = std::fs::read_to_string(format!("{example}/cluster.yaml")).unwrap();
        let text = text.replace("ssh://git@git.pair.example/site.git", repository);
        let packed = format!("tar c -C {example}/.. gitops | base64 -w 0");
        let packed = Command::new("sh").args(["-c", &packed]).output().unwrap();
        let packed = String::from_utf8(packed.stdout).unwrap();
        site.lab.sh("head-1", &format!("echo {packed} | base64 -d | tar x -C /srv/state --no-same-owner"));
        for head in ["head-1", "head-2"] {
            site.lab.sh(head, SSH);
        }
        for head in ["head-1", "head-2"] {
            site.lab.sh(head, "cat /srv/state/*.key > /root/.ssh/authorized_keys");
        }
        site.lab.sh("head-1", PEOPLE);
        let beside = format!("cp -r {example}/files {example}/templates {}", folder.path().display());
        assert!(Command::new("sh").args(["-c", &beside]).status().unwrap().success());
        let own = folder.path().join("cluster.yaml");
        site.spec = own.to_str().unwrap().to_owned();
        let mut branch = Self { site, text, folder };
        branch.spec(&branch.text);
        branch.take("ops.pub");
        branch.site.good("apply", &["--adopt", "-y"]);
        branch
    }

    pub fn lab(&self) -> &TestLab {
        &self.site.lab
    }

    pub fn carrier(&self) -> String {
        self.site.carrier()
    }

    fn sh(&self, script: &str) -> String {
        self.lab().sh("head-1", script)
    }

    /// A key, for a person's own spec.
    fn take(&self, key: &str) {
        let text = self.sh(&format!("cat /srv/state/{key}"));
        std::fs::write(self.folder.path().join(key), text).unwrap();
    }

    fn edit(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "{from}");
        self.text = self.text.replace(from, to);
    }

    /// A commit of the spec as it is now, signed with this key where one is named. Its short name.
    fn commit(&self, message: &str, key: Option<&str>) -> String {
        self.sh(&self.committing(message, key))
    }

    /// The same as a script.
    pub fn committing(&self, message: &str, key: Option<&str>) -> String {
        let sign = key.map_or("--no-gpg-sign".to_owned(), |key| format!("-S/srv/state/{key}"));
        let hook = if message == WRONG { "--no-verify" } else { "" };
        let text = &self.text;
        format!(
            "cd /srv/state/clone; cat > cluster.yaml <<'SPEC'\n{text}\nSPEC\ngit add -A; git commit -q --allow-empty {sign} {hook} -m '{message}'; git rev-parse --short=7 HEAD"
        )
    }

    /// A webhook calls each head; the one that leads asks.
    fn push(&self) {
        self.sh("cd /srv/state/clone; git push -q -f origin main");
        for head in ["head-1", "head-2"] {
            self.lab().exec(head, &["systemctl", "reload", "haoscar"]);
        }
    }

    fn pushed(&self, message: &str, key: Option<&str>) -> String {
        let commit = self.commit(message, key);
        self.push();
        commit
    }

    /// What the head that leads says of the branch.
    fn said(&self) -> String {
        let heads = ["head-1", "head-2"].map(|head| {
            text(&self.lab().exec(head, &["sh", "-c", "cat /run/haoscar/follows.json 2>/dev/null"]))
        });
        heads.concat()
    }

    fn says(&self, commit: &str, sentence: &str) {
        let full = format!("\"commit\":\"{commit}");
        for _ in 0..600 {
            let said = self.said();
            if said.contains(&full) && said.contains(sentence) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let log = self.lab().exec("head-1", &["cat", "/var/lib/haoscar/follow/rollout.log"]);
        let engine = ["head-1", "head-2"].map(|head| {
            let script =
                "journalctl -u pacemaker -u dnsmasq -u chrony --no-pager -o short-precise | tail -60";
            text(&self.lab().exec(head, &["sh", "-c", script]))
        });
        panic!("not said of {commit}: {sentence}: {}\n{}\n{}", self.said(), text(&log), engine.join("\n"));
    }

    /// Who leads looks each minute, or when it is told to, and is sure after 15 s.
    fn brings(&self, done: impl Fn(&Self) -> bool) {
        let leads = self.carrier();
        let done = (0..600).any(|look| {
            if look % 25 == 0 {
                self.lab().sh(&leads, "systemctl reload haoscar");
            }
            done(self) || {
                std::thread::sleep(std::time::Duration::from_millis(200));
                false
            }
        });
        let why = "haoscar events --last 100; tail -5 /var/lib/haoscar/follow/rollout.log";
        assert!(done, "{}", self.lab().sh(&leads, why));
    }

    fn forwarders(&self) -> Vec<String> {
        let script = format!("grep -o '^server=[0-9.]*' {NAMES} | cut -d= -f2");
        ["head-1", "head-2"].map(|head| self.lab().sh(head, &script)).into()
    }

    /// A person's own spec.
    pub fn spec(&self, text: &str) {
        std::fs::write(&self.site.spec, text).unwrap();
    }

    pub fn verb(&self, words: &[&str]) -> String {
        let via = format!("lab:{}", self.lab().name);
        let said = haoscar(&[words, &["--spec", &self.site.spec, "--via", &via]].concat());
        text(&said)
    }
}

#[test]
fn a_head_rolls_out_signed_commits_of_its_branch_and_nothing_else() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut branch = Branch::new("test-follow", "ssh://head-1/srv/state/site.git");
    branch.sh("grep -q 'head-1 is a head of pair' /etc/motd && grep -q logchange /etc/chrony/chrony.conf");
    good_commits_are_rolled_out(&mut branch);
    what_is_not_signed_or_not_valid_is_refused(&mut branch);
    keys_come_from_the_commit_before(&mut branch);
    a_roll_out_that_fails_is_refused_until_a_person_resumes(&mut branch);
    nothing_is_rolled_out_while_the_cluster_is_not_whole(&mut branch);
    the_loop_may_die_while_it_rolls_out(&mut branch);
    what_a_person_applies_is_not_rolled_over(&mut branch);
    the_other_head_follows_when_it_leads(&mut branch);
    a_branch_that_is_rewound_is_held(&mut branch);
    a_folder_is_followed_as_soon_as_something_is_written_there(&mut branch);
    a_freeze_is_kept(&mut branch);
    a_head_that_was_away_is_brought_to_what_is_accepted(&mut branch);
    a_head_that_leads_and_was_never_told_what_is_accepted_learns_it_from_the_other_one(&mut branch);
    a_session_of_a_head_that_lost_its_power_lets_go(&branch);
}

fn good_commits_are_rolled_out(branch: &mut Branch) {
    let first = branch.pushed("first", Some("ops"));
    branch.says(&first, "is accepted as generation 2");
    a_review_sees_the_plan(branch);
    branch.edit("198.51.100.53", "198.51.100.54");
    let second = branch.pushed("other forwarders", Some("ops"));
    branch.says(&second, "is accepted as generation 3");
    assert_eq!(branch.forwarders(), ["198.51.100.54", "198.51.100.54"]);
    let history = branch.verb(&["history"]);
    assert!(history.contains(&format!("roll-out of commit {second}")), "{history}");
    let events = branch.verb(&["events", "--last", "100"]);
    let begun = format!("commit {second} of main is being rolled out: other forwarders (Ops)");
    assert!(events.contains(&begun), "{events}");
    let status = branch.verb(&["status"]);
    assert!(
        status.contains(&format!("branch: commit {second} of main is accepted as generation 3")),
        "{status}"
    );
}

/// What the workflow of the example runs, where no head is reached.
fn a_review_sees_the_plan(branch: &Branch) {
    let (text, via) = (&branch.text, format!("lab:{}", branch.lab().name));
    let file = branch.folder.path().join("facts.json");
    let said = haoscar(&["observe", &branch.site.spec, "--via", &via, "-o", file.to_str().unwrap()]);
    assert!(said.status.success(), "{}", self::text(&said));
    let other = branch.folder.path().join("review");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("cluster.yaml"), text.replace("198.51.100.53", "198.51.100.54")).unwrap();
    std::fs::copy(branch.folder.path().join("ops.pub"), other.join("ops.pub")).unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_haoscar")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/gitops/ci/check.sh");
    let checked = Command::new(script)
        .args([file.to_str().unwrap(), "comment.md"])
        .current_dir(&other)
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", self::text(&checked));
    let comment = std::fs::read_to_string(other.join("comment.md")).unwrap();
    assert!(
        comment.contains("-server=198.51.100.53") && comment.contains("+server=198.51.100.54"),
        "{comment}"
    );
}

fn what_is_not_signed_or_not_valid_is_refused(branch: &mut Branch) {
    let (good, before) = (branch.text.clone(), branch.forwarders());
    branch.edit("198.51.100.54", "198.51.100.66");
    for (message, key) in [("unsigned", None), ("of somebody else", Some("eve"))] {
        let commit = branch.pushed(message, key);
        branch.says(&commit, "no key that generation 3 trusts has signed it");
    }
    branch.text = good.replace("198.51.100.54", "198.51.100.5x");
    let text = &branch.text;
    let stopped =
        format!("cd /srv/state/clone; cat > cluster.yaml <<'SPEC'\n{text}\nSPEC\ngit commit -qam wrong 2>&1");
    let stopped = branch.lab().exec("head-1", &["sh", "-c", &stopped]);
    assert!(
        !stopped.status.success() && self::text(&stopped).contains("198.51.100.5x"),
        "{}",
        self::text(&stopped)
    );
    let commit = branch.pushed(WRONG, Some("ops"));
    branch.says(&commit, "is refused, and what was accepted stays: cluster.yaml:");
    assert_eq!(branch.forwarders(), before);
    let events = branch.verb(&["events", "--last", "100"]);
    assert!(events.contains(&format!("refused    commit {commit} of main is refused")), "{events}");
    branch.text = good.replace("198.51.100.54", "198.51.100.55");
    let commit = branch.pushed("mended", Some("ops"));
    branch.says(&commit, "is accepted as generation 4");
    assert_eq!(branch.forwarders(), ["198.51.100.55", "198.51.100.55"]);
}

fn keys_come_from_the_commit_before(branch: &mut Branch) {
    branch.sh("cd /srv/state/clone; cp ../eve.pub .");
    branch.edit("keys: [ops.pub]", "keys: [eve.pub]");
    branch.edit("198.51.100.55", "198.51.100.56");
    let handed = branch.pushed("eve takes over", Some("eve"));
    branch.says(&handed, "no key that generation 4 trusts has signed it");
    branch.commit("eve may take over", Some("ops"));
    let taken = branch.pushed("eve signs what follows", Some("eve"));
    branch.says(&taken, "is accepted as generation 5");
    let late = branch.pushed("ops is no longer trusted", Some("ops"));
    branch.says(&late, "no key that generation 5 trusts has signed it");
    branch.edit("keys: [eve.pub]", "keys: [eve.pub, ops.pub]");
    let both = branch.pushed("both", Some("eve"));
    branch.says(&both, "is accepted as generation 6");
}

fn a_roll_out_that_fails_is_refused_until_a_person_resumes(branch: &mut Branch) {
    let before = branch.forwarders();
    branch.lab().sh("head-2", DIES);
    branch.edit("198.51.100.56", "198.51.100.57");
    let commit = branch.pushed("the standby cannot live with it", Some("ops"));
    branch.says(
        &commit,
        "is refused, and what was accepted stays: dnsmasq.service on head-2 does not go on running",
    );
    assert_eq!(branch.forwarders(), before);
    let mend = "rm /etc/systemd/system/dnsmasq.service.d/zz.conf; systemctl daemon-reload; systemctl reset-failed dnsmasq;
        systemctl restart dnsmasq; crm_resource --cleanup >/dev/null 2>&1";
    branch.lab().sh("head-2", mend);
    branch.lab().exec("head-1", &["systemctl", "restart", "haoscar"]);
    branch.says(
        &commit,
        "is refused, and what was accepted stays: dnsmasq.service on head-2 does not go on running",
    );
    let resumed = branch.verb(&["resume"]);
    assert!(resumed.contains(&format!("commit {commit} is no longer held")), "{resumed}");
    branch.says(&commit, "is accepted as generation 7");
    assert_eq!(branch.forwarders(), ["198.51.100.57", "198.51.100.57"]);
}

fn nothing_is_rolled_out_while_the_cluster_is_not_whole(branch: &mut Branch) {
    let before = branch.forwarders();
    branch.verb(&["drain", "head-2", "-y"]);
    branch.edit("198.51.100.57", "198.51.100.58");
    let commit = branch.pushed("while a head is drained", Some("ops"));
    branch.says(&commit, "waits until the cluster is whole: head-2 is drained");
    assert_eq!(branch.forwarders(), before);
    branch.verb(&["undrain", "head-2"]);
    branch.says(&commit, "is accepted as generation 8");
}

fn the_loop_may_die_while_it_rolls_out(branch: &mut Branch) {
    branch.edit("198.51.100.58", "198.51.100.59");
    let commit = branch.pushed("while the loop dies", Some("ops"));
    until("the roll-out runs", || {
        text(&branch.lab().exec("head-1", &["systemctl", "is-active", "haoscar-rollout"])).contains("activ")
            && branch.said().contains("being rolled out")
    });
    branch.sh("systemctl kill -s KILL haoscar");
    branch.says(&commit, "is accepted as generation 9");
    assert_eq!(branch.forwarders(), ["198.51.100.59", "198.51.100.59"]);
}

fn what_a_person_applies_is_not_rolled_over(branch: &mut Branch) {
    let tip = branch.sh("cd /srv/state/clone; git rev-parse --short=7 HEAD");
    let by_hand = branch.text.replace("198.51.100.59", "198.51.100.60");
    branch.sh("mkdir -p /root/hand; cp /srv/state/*.pub /root/hand");
    branch.sh(&format!("cat > /root/hand/cluster.yaml <<'SPEC'\n{by_hand}\nSPEC\n"));
    let applied = branch.sh("haoscar apply --spec /root/hand --via head -y 2>&1");
    assert!(applied.contains("it is not rolled out until"), "{applied}");
    branch.says(&tip, "is held: root@head-1 has applied something else as generation 10");
    assert_eq!(branch.forwarders(), ["198.51.100.60", "198.51.100.60"]);
    let resumed = branch.verb(&["resume"]);
    assert!(resumed.contains("is no longer held"), "{resumed}");
    branch.says(&tip, "is accepted as generation 11");
    assert_eq!(branch.forwarders(), ["198.51.100.59", "198.51.100.59"]);
    let back = branch.verb(&["rollback", "10", "-y"]);
    assert!(back.contains("rollback to generation 10"), "{back}");
    branch.says(&tip, "is held: ");
    assert_eq!(branch.forwarders(), ["198.51.100.60", "198.51.100.60"], "{back}");
    branch.edit("198.51.100.59", "198.51.100.61");
    branch.spec(&by_hand.replace("198.51.100.60", "198.51.100.70"));
    branch.take("eve.pub");
    let unsure = branch.verb(&["apply", "--confirm-within", "10m", "-y"]);
    let newer = branch.pushed("a newer commit ends a hold", Some("ops"));
    branch.says(&newer, "for `haoscar confirm`");
    assert_eq!(branch.forwarders(), ["198.51.100.70", "198.51.100.70"], "{unsure}");
    branch.verb(&["confirm"]);
    branch.says(&newer, "is accepted as generation 14");
    assert_eq!(branch.forwarders(), ["198.51.100.61", "198.51.100.61"]);
}

fn the_other_head_follows_when_it_leads(branch: &mut Branch) {
    assert_eq!(branch.site.carrier(), "head-1");
    let moved = branch.sh("haoscar switchover control -y"); // on a head: by what is accepted there
    assert_eq!(branch.site.carrier(), "head-2", "{moved}");
    branch.edit("198.51.100.61", "198.51.100.62");
    let commit = branch.pushed("for the other head", Some("ops"));
    branch.says(&commit, "is accepted as generation 15");
    assert_eq!(branch.forwarders(), ["198.51.100.62", "198.51.100.62"]);
    let events = branch.verb(&["events", "--last", "100"]);
    let begun = |line: &str| line.contains(&format!("commit {commit} of main is being rolled out"));
    assert!(events.lines().any(|line| begun(line) && line.contains(" head-2 ")), "{events}");
}

fn a_branch_that_is_rewound_is_held(branch: &mut Branch) {
    let before = branch.forwarders();
    branch.sh("cd /srv/state/clone; git reset -q --hard HEAD~2");
    branch.push();
    let tip = branch.sh("cd /srv/state/clone; git rev-parse --short=7 HEAD");
    branch.says(&tip, "the branch was rewound or rewritten");
    assert_eq!(branch.forwarders(), before);
    branch.lab().sh(
        "head-2",
        "git config --global --add safe.directory '*'; haoscar apply --spec /srv/state/clone --via head -y",
    );
    branch.says(&tip, "is accepted as generation 16");
    branch.text = branch.sh("cat /srv/state/clone/cluster.yaml");
}

fn a_folder_is_followed_as_soon_as_something_is_written_there(branch: &mut Branch) {
    let kept = |line: &&str| !line.contains("trust: {");
    let text = branch.text.lines().filter(kept).collect::<Vec<_>>().join("\n");
    let source = text.lines().find(|line| line.contains("source: {")).unwrap().to_owned();
    // an interval that this test does not live to see
    let text = text.replace(&source, "  source: { folder: /srv/state/spec, every: 10h }");
    let write = |branch: &Branch, text: &str| {
        branch.sh(&format!(
            "mkdir -p /srv/state/spec; cat > /srv/state/spec/cluster.yaml <<'SPEC'\n{text}\nSPEC\n"
        ));
    };
    write(branch, &text);
    branch.lab().sh("head-2", "haoscar apply --spec /srv/state/spec --via head -y");
    branch.says("", "of /srv/state/spec is accepted as generation 17");
    write(branch, &text.replace("198.51.100.59", "198.51.100.63"));
    branch.says("", "of /srv/state/spec is accepted as generation 18");
    assert_eq!(branch.forwarders(), ["198.51.100.63", "198.51.100.63"]);
    write(branch, &text.replace("198.51.100.59", "198.51.100.6x"));
    branch.says("", "is refused, and what was accepted stays: cluster.yaml:");
    branch.sh("chmod o+w /srv/state/spec/cluster.yaml");
    branch.says("", "cluster.yaml can be written by others than root");
    assert_eq!(branch.forwarders(), ["198.51.100.63", "198.51.100.63"]);
    let tip = branch.sh("cd /srv/state/clone; git rev-parse --short=7 HEAD");
    branch.lab().sh("head-2", "haoscar apply --spec /srv/state/clone --via head -y");
    branch.says(&tip, "is accepted as generation 19");
}

fn a_freeze_is_kept(branch: &mut Branch) {
    branch.edit("  # freezes: [\"2026-12-20..2027-01-06\"]", "  freezes: [\"2026-01-01..2099-12-31\"]");
    let frozen = branch.pushed("nothing more this century", Some("ops"));
    branch.says(&frozen, "is accepted as generation 20");
    let before = branch.forwarders();
    branch.edit("servers: [ntp1.example, ntp2.example]", "servers: [ntp3.example]");
    let commit = branch.pushed("too late", Some("ops"));
    branch.says(&commit, "waits: nothing is rolled out on 2026-01-01..2099-12-31");
    assert_eq!(branch.forwarders(), before);
}

fn a_head_that_was_away_is_brought_to_what_is_accepted(branch: &mut Branch) {
    branch.lab().good(&["poweroff", "--name", "test-follow", "head-2"]);
    until("head-1 leads", || branch.site.carrier() == "head-1");
    branch.sh("cd /srv/state/clone; haoscar apply --spec . -y"); // a person may, in a freeze and without head-2
    branch.lab().good(&["boot", "--name", "test-follow", "head-2"]);
    let has = "grep -o '\"generation\":[0-9]*' /var/lib/haoscar/accepted.json";
    until("head-2 is there", || branch.lab().exec("head-2", &["true"]).status.success());
    assert_eq!(branch.lab().sh("head-2", has), "\"generation\":20");
    let same = |branch: &Branch| {
        let chrony =
            ["head-1", "head-2"].map(|head| branch.lab().sh(head, "sha256sum /etc/chrony/chrony.conf"));
        chrony[0] == chrony[1] && branch.lab().sh("head-1", has) == branch.lab().sh("head-2", has)
    };
    branch.brings(same);
    let events = branch.sh("haoscar events --last 100");
    assert!(events.contains("head-2 has generation 20, and is brought to what is accepted"), "{events}");
    branch.sh("haoscar plan --detailed-exitcode");
}

/// Its session with the head that applied was lost before it was told: nobody else would bring it there.
fn a_head_that_leads_and_was_never_told_what_is_accepted_learns_it_from_the_other_one(branch: &mut Branch) {
    let leads = branch.carrier();
    let sh = |script: &str| branch.lab().sh(&leads, script);
    let accepted = "/var/lib/haoscar/accepted.json";
    sh(&format!("cp {accepted} /root/older.json"));
    branch.sh("cd /srv/state/clone; echo '# once more' >> cluster.yaml; sed -i 's/ntp3.example/ntp4.example/' cluster.yaml; haoscar apply --spec . -y");
    let has = format!("grep -o '\"generation\":[0-9]*' {accepted} | cut -d: -f2");
    let newest = sh(&has);
    // as if neither the history nor the part had come
    sh(&format!(
        "systemctl stop haoscar; cp /root/older.json {accepted}; git -C /var/lib/haoscar/history.git tag -d generation/{newest}; systemctl start haoscar"
    ));
    assert_ne!(sh(&has), newest);
    let plan = sh("cd /; haoscar plan --detailed-exitcode");
    assert!(plan.contains("nothing to do"), "the newest is compared with, not this head's older one: {plan}");
    branch.brings(|branch| branch.lab().sh(&leads, &has) == newest);
    let events = branch.sh("haoscar events --last 100");
    assert!(events.contains(&format!("{leads} has generation")), "{events}");
}

/// It hangs up on nobody, and holds the other head's lock.
fn a_session_of_a_head_that_lost_its_power_lets_go(branch: &Branch) {
    let session = "{ echo '\"hello\"'; echo '{\"begin\":{\"id\":\"x\"}}'; while sleep 4; do echo; done; } | ssh head-2 haoscar agent";
    let held = "systemd-run --quiet --setenv=HOME=/root --unit=held sh -c \"$1\"";
    branch.lab().exec("head-1", &["sh", "-c", held, "sh", session]);
    let sessions = || branch.lab().sh("head-2", "pgrep -fc 'haoscar [a]gent' || true");
    until("the session has the lock", || sessions() != "0");
    std::thread::sleep(std::time::Duration::from_secs(35)); // longer than a silence: it is kept by its signs of life
    assert_ne!(sessions(), "0", "{}", branch.lab().sh("head-1", "systemctl status held 2>&1 || true"));
    branch.lab().good(&["fault", "power", "--name", "test-follow", "head-1"]);
    until("it has let go", || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        sessions() == "0"
    });
}
