//! Well-known servers, and how each is made to speak streamable HTTP: data, not code. Sources: the
//! documentation of each. A server that is not here may say so itself in its arguments: see
//! [`super::transport`].

/// What is known of a server.
pub(super) struct Known {
    /// Its packages of npm and of `PyPI`, and image repositories.
    pub names: &'static [&'static str],
    pub serves: Serves,
}

/// Whether it speaks streamable HTTP.
pub(super) enum Serves {
    Http(Http),
    /// It does not: the sentence says what would help.
    Not(&'static str),
}

/// How it is made to.
#[derive(Clone, Copy)]
pub(super) struct Http {
    pub port: i32,
    pub path: Option<&'static str>,
    /// Arguments that are needed, before those that a person gave.
    pub first: &'static [&'static str],
    /// Arguments that are needed, after them.
    pub last: &'static [&'static str],
    pub env: &'static [(&'static str, &'static str)],
    /// In place of the image's own entrypoint.
    pub command: &'static [&'static str],
    /// User, where the image's own has no number.
    pub user: Option<i64>,
    /// Directories that it writes to.
    pub scratch: &'static [&'static str],
    pub stateless: bool,
    /// Variables without which it does not start, for a person to give.
    pub secrets: &'static [&'static str],
    /// What a person has to be told.
    pub note: &'static str,
}

const PLAIN: Http = Http {
    port: 8000,
    path: None,
    first: &[],
    last: &[],
    env: &[],
    command: &[],
    user: None,
    scratch: &[],
    stateless: false,
    secrets: &[],
    note: "",
};

const STDIO: &str = "it speaks stdio only, which cannot be shared; run one that speaks streamable HTTP in its place";

const RIGHTS: &str = "serviceAccount: it calls the API of Kubernetes; give it rights (automountToken, rules, bind) in place of a kubeconfig";

/// The entry of a package or an image's repository, without version.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    let name = name.to_ascii_lowercase();
    let name = name.trim_start_matches("docker.io/");
    TABLE.iter().find(|it| it.names.contains(&name))
}

const TABLE: &[Known] = &[
    Known {
        names: &["@modelcontextprotocol/server-everything"],
        serves: Serves::Http(Http { port: 3001, last: &["streamableHttp"], env: &[("PORT", "$(MCP_PORT)")], ..PLAIN }),
    },
    Known {
        names: &["mcp/everything"],
        serves: Serves::Http(Http {
            port: 3001,
            command: &["node", "dist/index.js"],
            last: &["streamableHttp"],
            ..PLAIN
        }),
    },
    Known {
        names: &["@playwright/mcp"],
        serves: Serves::Http(Http {
            port: 8931,
            last: &["--port", "$(MCP_PORT)", "--host", "0.0.0.0", "--allowed-hosts", "$(MCP_ALLOWED_HOSTS)"],
            ..PLAIN
        }),
    },
    Known {
        names: &["mcr.microsoft.com/playwright/mcp", "mcp/playwright"],
        serves: Serves::Http(Http {
            port: 8931,
            last: &[
                "--port",
                "$(MCP_PORT)",
                "--host",
                "0.0.0.0",
                "--isolated",
                "--allowed-hosts",
                "$(MCP_ALLOWED_HOSTS)",
            ],
            env: &[("HOME", "/tmp")],
            user: Some(1000),
            ..PLAIN
        }),
    },
    Known {
        names: &["firecrawl-mcp"],
        serves: Serves::Http(Http {
            port: 3000,
            env: &[("HTTP_STREAMABLE_SERVER", "true"), ("HOST", "0.0.0.0"), ("PORT", "$(MCP_PORT)")],
            stateless: true,
            ..PLAIN
        }),
    },
    Known {
        names: &["mongodb-mcp-server", "mongodb/mongodb-mcp-server"],
        serves: Serves::Http(Http {
            port: 3000,
            env: &[
                ("HOME", "/tmp"),
                ("MDB_MCP_TRANSPORT", "http"),
                ("MDB_MCP_HTTP_HOST", "0.0.0.0"),
                ("MDB_MCP_HTTP_PORT", "$(MCP_PORT)"),
            ],
            ..PLAIN
        }),
    },
    Known {
        names: &["@vfarcic/dot-ai", "ghcr.io/vfarcic/dot-ai"],
        serves: Serves::Http(Http {
            port: 3456,
            path: Some("/"),
            env: &[
                ("TRANSPORT_TYPE", "http"),
                ("HOST", "0.0.0.0"),
                ("PORT", "$(MCP_PORT)"),
                ("DOT_AI_SESSION_DIR", "/tmp"),
                ("HOME", "/tmp"),
            ],
            scratch: &["/app/tmp"],
            note: RIGHTS,
            ..PLAIN
        }),
    },
    Known {
        names: &["kubernetes-mcp-server", "quay.io/containers/kubernetes_mcp_server"],
        serves: Serves::Http(Http { port: 8080, last: &["--port", "$(MCP_PORT)"], note: RIGHTS, ..PLAIN }),
    },
    Known {
        names: &["ghcr.io/github/github-mcp-server"],
        serves: Serves::Http(Http { port: 8082, path: Some("/"), first: &["http"], stateless: true, ..PLAIN }),
    },
    Known {
        names: &["grafana/mcp-grafana", "mcp/grafana"],
        serves: Serves::Http(Http {
            last: &["-t", "streamable-http", "--allowed-hosts", "$(MCP_ALLOWED_HOSTS)"],
            user: Some(1000),
            ..PLAIN
        }),
    },
    Known {
        names: &["hashicorp/terraform-mcp-server"],
        serves: Serves::Http(Http {
            port: 8080,
            env: &[
                ("TRANSPORT_MODE", "streamable-http"),
                ("TRANSPORT_HOST", "0.0.0.0"),
                ("TRANSPORT_PORT", "$(MCP_PORT)"),
            ],
            ..PLAIN
        }),
    },
    Known {
        names: &["docker.elastic.co/mcp/elasticsearch", "mcp/elasticsearch"],
        serves: Serves::Http(Http { port: 8080, first: &["http"], stateless: true, ..PLAIN }),
    },
    Known {
        names: &["mcp-neo4j-cypher", "mcp/neo4j-cypher"],
        serves: Serves::Http(Http {
            path: Some("/mcp/"),
            env: &[
                ("NEO4J_TRANSPORT", "http"),
                ("NEO4J_MCP_SERVER_HOST", "0.0.0.0"),
                ("NEO4J_MCP_SERVER_PORT", "$(MCP_PORT)"),
                ("NEO4J_MCP_SERVER_ALLOWED_HOSTS", "$(MCP_ALLOWED_HOSTS)"),
            ],
            stateless: true,
            ..PLAIN
        }),
    },
    Known {
        names: &["mcp-server-qdrant"],
        serves: Serves::Http(Http {
            last: &["--transport", "streamable-http"],
            env: &[("FASTMCP_HOST", "0.0.0.0"), ("FASTMCP_PORT", "$(MCP_PORT)")],
            ..PLAIN
        }),
    },
    Known {
        names: &["mcp/qdrant"],
        serves: Serves::Http(Http {
            command: &["mcp-server-qdrant"],
            last: &["--transport", "streamable-http"],
            env: &[("FASTMCP_HOST", "0.0.0.0"), ("FASTMCP_PORT", "$(MCP_PORT)"), ("HOME", "/models")],
            scratch: &["/models"],
            ..PLAIN
        }),
    },
    Known {
        names: &["mcp-atlassian"],
        serves: Serves::Http(Http {
            port: 9000,
            last: &["--transport", "streamable-http", "--port", "$(MCP_PORT)"],
            ..PLAIN
        }),
    },
    Known {
        names: &["ghcr.io/sooperset/mcp-atlassian", "mcp/atlassian"],
        serves: Serves::Http(Http {
            port: 9000,
            last: &["--transport", "streamable-http", "--port", "$(MCP_PORT)"],
            env: &[("HOME", "/tmp")],
            user: Some(1000),
            ..PLAIN
        }),
    },
    Known {
        names: &["awslabs.aws-api-mcp-server", "public.ecr.aws/awslabs-mcp/awslabs/aws-api-mcp-server"],
        serves: Serves::Http(Http {
            env: &[
                ("AWS_API_MCP_TRANSPORT", "streamable-http"),
                ("AWS_API_MCP_HOST", "0.0.0.0"),
                ("AWS_API_MCP_PORT", "$(MCP_PORT)"),
                ("AWS_API_MCP_ALLOWED_HOSTS", "$(MCP_ALLOWED_HOSTS)"),
                ("AUTH_TYPE", "no-auth"),
                ("HOME", "/tmp"),
            ],
            ..PLAIN
        }),
    },
    Known {
        names: &["mcp-clickhouse", "mcp/clickhouse"],
        serves: Serves::Http(Http {
            env: &[
                ("CLICKHOUSE_MCP_SERVER_TRANSPORT", "http"),
                ("CLICKHOUSE_MCP_BIND_HOST", "0.0.0.0"),
                ("CLICKHOUSE_MCP_BIND_PORT", "$(MCP_PORT)"),
            ],
            secrets: &["CLICKHOUSE_MCP_AUTH_TOKEN"],
            ..PLAIN
        }),
    },
    Known {
        names: &["prometheus-mcp-server", "ghcr.io/pab1it0/prometheus-mcp-server"],
        serves: Serves::Http(Http {
            port: 8080,
            env: &[
                ("PROMETHEUS_MCP_SERVER_TRANSPORT", "http"),
                ("PROMETHEUS_MCP_BIND_HOST", "0.0.0.0"),
                ("PROMETHEUS_MCP_BIND_PORT", "$(MCP_PORT)"),
            ],
            user: Some(1000),
            ..PLAIN
        }),
    },
    Known {
        names: &["us-central1-docker.pkg.dev/database-toolbox/toolbox/toolbox"],
        serves: Serves::Http(Http {
            port: 5000,
            first: &["--address", "0.0.0.0"],
            user: Some(65532),
            stateless: true,
            ..PLAIN
        }),
    },
    Known {
        names: &["ghcr.io/ibm/mcp-context-forge"],
        serves: Serves::Http(Http { port: 4444, env: &[("HOST", "0.0.0.0"), ("PORT", "$(MCP_PORT)")], ..PLAIN }),
    },
    Known {
        names: &["neo4j/mcp"],
        serves: Serves::Http(Http {
            port: 8080,
            env: &[
                ("NEO4J_MCP_TRANSPORT_MODE", "http"),
                ("NEO4J_MCP_HTTP_HOST", "0.0.0.0"),
                ("NEO4J_MCP_HTTP_PORT", "$(MCP_PORT)"),
            ],
            stateless: true,
            ..PLAIN
        }),
    },
    Known {
        names: &["postgres-mcp", "crystaldba/postgres-mcp"],
        serves: Serves::Not(
            "its released versions speak stdio and SSE; builds of its main branch speak streamable HTTP with --transport \
             streamable-http: make an image of one, and give these arguments",
        ),
    },
    Known {
        names: &["@modelcontextprotocol/server-github", "mcp/github"],
        serves: Serves::Not(
            "it speaks stdio only and is no longer kept; its successor is the image \
                             ghcr.io/github/github-mcp-server, which is known here",
        ),
    },
    Known { names: &["redis-mcp-server", "mcp/redis", "mcp-redis", "chroma-mcp"], serves: Serves::Not(STDIO) },
    Known {
        names: &[
            "@modelcontextprotocol/server-filesystem",
            "@modelcontextprotocol/server-memory",
            "@modelcontextprotocol/server-sequential-thinking",
            "@modelcontextprotocol/server-postgres",
            "@modelcontextprotocol/server-slack",
            "@modelcontextprotocol/server-puppeteer",
            "@modelcontextprotocol/server-brave-search",
            "mcp-server-fetch",
            "mcp-server-git",
            "mcp-server-time",
            "mcp-server-sqlite",
            "mcp/filesystem",
            "mcp/memory",
            "mcp/fetch",
            "mcp/git",
            "mcp/time",
            "mcp/sequentialthinking",
            "mcp/postgres",
            "mcp/slack",
            "mcp/puppeteer",
            "mcp/brave-search",
            "mcp/sqlite",
        ],
        serves: Serves::Not(STDIO),
    },
    Known {
        names: &["mcp-remote"],
        serves: Serves::Not(
            "it leads stdio to a server elsewhere: there is nothing to run, clients can use that server's URL",
        ),
    },
    Known {
        names: &["supergateway", "mcp-proxy", "@smithery/cli"],
        serves: Serves::Not(
            "it is a bridge, and Landfall is none: import the server behind it, if that speaks streamable HTTP",
        ),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_name_leads_to_its_own_entry() {
        let names: Vec<_> = TABLE.iter().flat_map(|it| it.names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            assert!(find(name).is_some_and(|it| it.names.contains(name)), "{name}");
            assert!(find(&format!("docker.io/{name}")).is_some());
        }
    }
}
