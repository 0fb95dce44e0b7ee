//! The databases in which the tools `remember` and `recall` keep texts.
//!
//! Each call makes a connection of its own: a database that was restarted in between is no trouble
//! then, and a server of this size needs no pool.

use std::time::Duration;

use anyhow::{Context, Result};
use redis::{AsyncConnectionConfig, AsyncTypedCommands, aio::MultiplexedConnection};
use tokio_postgres::NoTls;

/// How long a call may take, connecting included.
const LIMIT: Duration = Duration::from_secs(5);

/// Every database that the server was given a URL of.
#[derive(Clone, Default)]
pub struct Storage(Vec<Database>);

#[derive(Clone)]
enum Database {
    Redis(redis::Client),
    Postgres(tokio_postgres::Config),
}

impl Storage {
    /// Connects to nothing yet: a database may start after the server.
    pub fn new(redis_url: Option<&str>, postgres_url: Option<&str>) -> Result<Self> {
        let mut databases = Vec::new();
        if let Some(url) = redis_url {
            let client = redis::Client::open(url).context("REDIS_URL is not a redis:// URL")?;
            databases.push(Database::Redis(client));
        }
        if let Some(url) = postgres_url {
            let config = url.parse().context("POSTGRES_URL is not a postgresql:// URL")?;
            databases.push(Database::Postgres(config));
        }
        Ok(Self(databases))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps `value` under `key` in each database, and says in which.
    pub async fn remember(&self, key: &str, value: &str) -> Result<String> {
        let mut names = Vec::new();
        for database in &self.0 {
            within(database, database.set(key, value)).await?;
            names.push(database.name());
        }
        Ok(format!("stored in {}", names.join(", ")))
    }

    /// What each database has under `key`, one per line: `redis: blue`.
    pub async fn recall(&self, key: &str) -> Result<String> {
        let mut lines = Vec::new();
        for database in &self.0 {
            let value = within(database, database.get(key)).await?;
            lines.push(format!("{}: {}", database.name(), value.as_deref().unwrap_or("(nothing)")));
        }
        Ok(lines.join("\n"))
    }
}

async fn within<T>(database: &Database, call: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = tokio::time::timeout(LIMIT, call).await;
    outcome.context("no answer within 5 s").flatten().context(database.name())
}

impl Database {
    fn name(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
        }
    }

    async fn set(&self, key: &str, value: &str) -> Result<()> {
        match self {
            Self::Redis(client) => connect_to_redis(client).await?.set(key, value).await?,
            Self::Postgres(config) => {
                let upsert = "INSERT INTO memory VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2";
                connect_to_postgres(config).await?.execute(upsert, &[&key, &value]).await?;
            }
        }
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<String>> {
        match self {
            Self::Redis(client) => Ok(connect_to_redis(client).await?.get(key).await?),
            Self::Postgres(config) => {
                let select = "SELECT value FROM memory WHERE key = $1";
                let row = connect_to_postgres(config).await?.query_opt(select, &[&key]).await?;
                Ok(row.map(|row| row.get(0)))
            }
        }
    }
}

async fn connect_to_redis(client: &redis::Client) -> Result<MultiplexedConnection> {
    // The crate's own limit of half a second is less than a slow disk may take.
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(LIMIT)).set_response_timeout(Some(LIMIT));
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

async fn connect_to_postgres(config: &tokio_postgres::Config) -> Result<tokio_postgres::Client> {
    let (client, connection) = config.connect(NoTls).await?;
    // Runs until the client is dropped; an error of it is the answer to the client's call.
    tokio::spawn(connection);
    client.batch_execute("CREATE TABLE IF NOT EXISTS memory (key text PRIMARY KEY, value text NOT NULL)").await?;
    Ok(client)
}
