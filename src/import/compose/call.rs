//! The arguments of `docker compose`.

use crate::import::Refusal;

/// What follows `docker compose`.
pub(super) struct Call<'a> {
    pub file: Option<&'a str>,
    pub service: &'a str,
    pub args: Vec<&'a str>,
    pub env: Vec<(&'a str, &'a str)>,
}

impl<'a> Call<'a> {
    pub(super) fn read(args: &'a [&'a str]) -> Result<Self, Refusal> {
        let (mut file, mut env, mut is_run, mut at) = (None, Vec::new(), false, 0);
        while let Some(arg) = args.get(at) {
            at += 1;
            let (flag, own) =
                arg.split_once('=').filter(|_| arg.starts_with("--")).map_or((*arg, None), |(a, b)| (a, Some(b)));
            let mut value = || {
                own.or_else(|| {
                    at += 1;
                    args.get(at - 1).copied()
                })
            };
            match flag {
                "-f" | "--file" if !is_run => file = file.or(value()),
                "-e" | "--env" if is_run => env.extend(value().and_then(|it| it.split_once('='))),
                "-p"
                | "--project-name"
                | "--project-directory"
                | "--profile"
                | "--env-file"
                | "--name"
                | "-u"
                | "--user"
                | "-v"
                | "--volume"
                | "--publish"
                | "-w"
                | "--workdir"
                | "--entrypoint"
                | "-l"
                | "--label" => {
                    value();
                }
                "run" | "up" | "exec" if !is_run => is_run = true,
                flag if flag.starts_with('-') => {}
                service => {
                    let args = args.get(at..).unwrap_or_default().to_vec();
                    return Ok(Self { file, service, args, env });
                }
            }
        }
        Err("docker compose names no service to run".into())
    }
}
