//! `haoscar generate`: what is made from the program itself, so that it cannot be out of date.

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, CommandFactory, Subcommand};
use clap_complete::Shell;

use super::{Cli, Common, Exit, Failure, out};
use crate::spec::{Listing, sample, schema};

/// Options of `haoscar generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar generate schema -o schemas/cluster.v1.json
  haoscar generate man /usr/local/share/man/man1
  haoscar generate completions bash > /etc/bash_completion.d/haoscar

An editor with a YAML language server checks a spec while you type when its first line is
  # yaml-language-server: $schema=schemas/cluster.v1.json")]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The JSON schema of cluster.yaml
    Schema {
        /// The file to write; standard output when left out
        #[arg(short, long, value_name = "FILE")]
        output: Option<Utf8PathBuf>,
    },
    /// A man page a verb
    Man {
        /// The folder to write to, made if it is not there
        folder: Utf8PathBuf,
    },
    /// A spec of any size, to measure and to try things with
    #[command(hide = true)]
    Spec {
        /// How many compute nodes
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        nodes: u32,
        /// Every node by itself in the YAML, in place of one range with a CSV
        #[arg(long)]
        one_by_one: bool,
        /// The folder to write to, made if it is not there
        folder: Utf8PathBuf,
    },
    /// A completion script, on standard output
    Completions {
        /// The shell
        shell: Shell,
    },
}

pub(super) fn run(_common: &Common, options: &Options) -> Result<Exit, Failure> {
    match &options.what {
        What::Schema { output: None } => out::say(&text_of_schema()),
        What::Schema { output: Some(file) } => write(file, text_of_schema().as_bytes())?,
        What::Man { folder } => man(folder)?,
        What::Spec { nodes, one_by_one, folder } => {
            let listing = if *one_by_one { Listing::OneByOne } else { Listing::Range };
            for (name, bytes) in sample(*nodes, listing).files {
                write(&folder.join(name), &bytes)?;
            }
        }
        What::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "haoscar", &mut script);
            out::say(&String::from_utf8_lossy(&script));
        }
    }
    Ok(Exit::Done)
}

fn text_of_schema() -> String {
    format!("{:#}\n", schema::published())
}

fn man(folder: &Utf8Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(|e| failed(folder, &e))
}

fn write(file: &Utf8Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    }
    std::fs::write(file, bytes).map_err(|e| failed(file, &e))
}

fn failed(path: &Utf8Path, error: &std::io::Error) -> Failure {
    let exit = match error.kind() {
        std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        _ => Exit::Failed,
    };
    Failure::new(exit, format!("{path}: {error}"))
}
