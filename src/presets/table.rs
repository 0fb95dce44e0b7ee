//! The table. Sources: the documentation of each image.

use super::{Account, Check, CredentialsOf, Data, Part, Preset, Upgrade};
use crate::api::PresetName;

/// What most have in common.
const PLAIN: Preset = Preset {
    image: "",
    version: "",
    tag: "{}",
    majors: &[],
    ports: &[],
    data: None,
    scratch: &[],
    args: &[],
    env: &[],
    credentials: None,
    url: "http://$(HOST):$(PORT)",
    readiness: Check::Tcp,
    user: 1000,
    group: 1000,
    fs_group: 1000,
    read_only_root: false,
    requests: ("50m", "128Mi"),
    node_selector: &[],
    upgrade: Upgrade::Forward,
};

/// What is known of `name`.
pub(super) const fn of(name: PresetName) -> &'static Preset {
    match name {
        PresetName::Qdrant => &QDRANT,
        PresetName::Postgres => &POSTGRES,
        PresetName::Pgvector => &PGVECTOR,
        PresetName::Redis => &REDIS,
        PresetName::Valkey => &VALKEY,
        PresetName::Mongodb => &MONGODB,
        PresetName::Neo4j => &NEO4J,
        PresetName::Elasticsearch => &ELASTICSEARCH,
        PresetName::Chroma => &CHROMA,
        PresetName::Weaviate => &WEAVIATE,
        PresetName::Mysql => &MYSQL,
        PresetName::Clickhouse => &CLICKHOUSE,
        PresetName::TextEmbeddingsInference => &TEXT_EMBEDDINGS_INFERENCE,
        PresetName::Ollama => &OLLAMA,
    }
}

/// User, password and database that a database makes at its first start.
const OWN_DATABASE: CredentialsOf = CredentialsOf {
    username: Account::Made("app"),
    database: Account::Made("app"),
    env: &[],
    composed: &[],
    args: &[],
    url: PLAIN.url,
    optional: false,
    by_default: true,
};

/// A password alone.
const PASSWORD: CredentialsOf =
    CredentialsOf { username: Account::Absent, database: Account::Absent, optional: true, ..OWN_DATABASE };

const QDRANT: Preset = Preset {
    image: "qdrant/qdrant",
    version: "1.15.4",
    tag: "v{}",
    majors: &[1],
    ports: &[("http", 6333), ("grpc", 6334), ("p2p", 6335)],
    data: Some(Data { path: "/qdrant/storage", size: "10Gi" }),
    scratch: &["/qdrant/snapshots", "/qdrant/init"],
    // It marks its start with a file, and its root is read-only.
    env: &[("QDRANT_INIT_FILE_PATH", "/qdrant/init/.qdrant-initialized")],
    credentials: Some(CredentialsOf {
        env: &[("QDRANT__SERVICE__API_KEY", Part::Password)],
        by_default: false,
        ..PASSWORD
    }),
    readiness: Check::Http("/readyz"),
    user: 1000,
    group: 2000,
    fs_group: 3000,
    read_only_root: true,
    upgrade: Upgrade::MinorByMinor,
    ..PLAIN
};

const POSTGRES: Preset = Preset {
    image: "postgres",
    version: "17",
    // 18 keeps its data at another path.
    majors: &[13, 14, 15, 16, 17],
    ports: &[("postgresql", 5432)],
    data: Some(Data { path: "/var/lib/postgresql/data", size: "10Gi" }),
    scratch: &["/var/run/postgresql"],
    // A folder of its own: a volume has a lost+found, and initdb wants an empty one.
    env: &[("PGDATA", "/var/lib/postgresql/data/pgdata")],
    credentials: Some(CredentialsOf {
        env: &[
            ("POSTGRES_USER", Part::Username),
            ("POSTGRES_PASSWORD", Part::Password),
            ("POSTGRES_DB", Part::Database),
        ],
        url: "postgresql://$(USERNAME):$(PASSWORD)@$(HOST):$(PORT)/$(DATABASE)",
        ..OWN_DATABASE
    }),
    readiness: Check::Command("pg_isready -h 127.0.0.1 -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\""),
    user: 999,
    group: 999,
    fs_group: 999,
    read_only_root: true,
    upgrade: Upgrade::WithinMajor,
    ..PLAIN
};

const PGVECTOR: Preset = Preset { image: "pgvector/pgvector", tag: "pg{}", ..POSTGRES };

const REDIS: Preset = Preset {
    image: "redis",
    version: "8",
    majors: &[6, 7, 8],
    ports: &[("redis", 6379)],
    data: Some(Data { path: "/data", size: "1Gi" }),
    args: &["redis-server", "--appendonly", "yes"],
    credentials: Some(CredentialsOf {
        env: &[("REDIS_PASSWORD", Part::Password)],
        args: &["--requirepass", "$(REDIS_PASSWORD)"],
        url: "redis://:$(PASSWORD)@$(HOST):$(PORT)/0",
        ..PASSWORD
    }),
    url: "redis://$(HOST):$(PORT)/0",
    readiness: Check::Command("REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli ping | grep -q PONG"),
    user: 999,
    group: 999,
    fs_group: 999,
    read_only_root: true,
    requests: ("50m", "64Mi"),
    ..PLAIN
};

const VALKEY: Preset = Preset {
    image: "valkey/valkey",
    version: "8.1",
    majors: &[7, 8, 9],
    args: &["valkey-server", "--appendonly", "yes"],
    readiness: Check::Command("REDISCLI_AUTH=\"$REDIS_PASSWORD\" valkey-cli ping | grep -q PONG"),
    ..REDIS
};

const MONGODB: Preset = Preset {
    image: "mongo",
    version: "8.0",
    majors: &[6, 7, 8],
    ports: &[("mongodb", 27017)],
    data: Some(Data { path: "/data/db", size: "10Gi" }),
    scratch: &["/data/configdb"],
    // Its shell, which the readiness check runs, writes there.
    env: &[("HOME", "/tmp")],
    credentials: Some(CredentialsOf {
        env: &[
            ("MONGO_INITDB_ROOT_USERNAME", Part::Username),
            ("MONGO_INITDB_ROOT_PASSWORD", Part::Password),
            ("MONGO_INITDB_DATABASE", Part::Database),
        ],
        url: "mongodb://$(USERNAME):$(PASSWORD)@$(HOST):$(PORT)/$(DATABASE)?authSource=admin&directConnection=true",
        ..OWN_DATABASE
    }),
    readiness: Check::Command("mongosh --quiet --eval 'db.adminCommand(\"ping\").ok' | grep -q 1"),
    user: 999,
    group: 999,
    fs_group: 999,
    requests: ("100m", "512Mi"),
    upgrade: Upgrade::MajorByMajor,
    ..PLAIN
};

const NEO4J: Preset = Preset {
    image: "neo4j",
    version: "5.26",
    tag: "{}-community",
    majors: &[5],
    ports: &[("bolt", 7687), ("http", 7474)],
    data: Some(Data { path: "/data", size: "10Gi" }),
    scratch: &["/logs"],
    credentials: Some(CredentialsOf {
        username: Account::Fixed("neo4j"),
        database: Account::Fixed("neo4j"),
        // Its image takes every variable that starts with NEO4J_ for a setting.
        env: &[("DATABASE_PASSWORD", Part::Password)],
        composed: &[("NEO4J_AUTH", "neo4j/$(DATABASE_PASSWORD)")],
        url: "bolt://$(HOST):$(PORT)",
        ..OWN_DATABASE
    }),
    url: "bolt://$(HOST):$(PORT)",
    user: 7474,
    group: 7474,
    fs_group: 7474,
    requests: ("200m", "1Gi"),
    upgrade: Upgrade::MajorByMajor,
    ..PLAIN
};

const ELASTICSEARCH: Preset = Preset {
    image: "docker.elastic.co/elasticsearch/elasticsearch",
    version: "9.1.0",
    majors: &[8, 9],
    ports: &[("http", 9200), ("transport", 9300)],
    data: Some(Data { path: "/usr/share/elasticsearch/data", size: "10Gi" }),
    env: &[
        ("discovery.type", "single-node"),
        ("xpack.security.http.ssl.enabled", "false"),
        // Otherwise the node would need another vm.max_map_count.
        ("node.store.allow_mmap", "false"),
        ("ES_JAVA_OPTS", "-Xms512m -Xmx512m"),
    ],
    credentials: Some(CredentialsOf {
        username: Account::Fixed("elastic"),
        database: Account::Absent,
        env: &[("ELASTIC_PASSWORD", Part::Password)],
        ..OWN_DATABASE
    }),
    group: 0,
    requests: ("200m", "1Gi"),
    upgrade: Upgrade::MajorByMajor,
    ..PLAIN
};

const CHROMA: Preset = Preset {
    image: "chromadb/chroma",
    version: "1.0.15",
    // 0 kept its data at another path.
    majors: &[1],
    ports: &[("http", 8000)],
    data: Some(Data { path: "/data", size: "10Gi" }),
    readiness: Check::Http("/api/v2/heartbeat"),
    ..PLAIN
};

const WEAVIATE: Preset = Preset {
    image: "cr.weaviate.io/semitechnologies/weaviate",
    version: "1.31.0",
    majors: &[1],
    ports: &[("http", 8080), ("grpc", 50051)],
    data: Some(Data { path: "/var/lib/weaviate", size: "10Gi" }),
    env: &[
        ("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "true"),
        ("PERSISTENCE_DATA_PATH", "/var/lib/weaviate"),
        // Part of its data: it must not change with the pod.
        ("CLUSTER_HOSTNAME", "node1"),
        ("DEFAULT_VECTORIZER_MODULE", "none"),
    ],
    readiness: Check::Http("/v1/.well-known/ready"),
    requests: ("100m", "256Mi"),
    ..PLAIN
};

const MYSQL: Preset = Preset {
    image: "mysql",
    version: "8.4",
    majors: &[8, 9],
    ports: &[("mysql", 3306)],
    data: Some(Data { path: "/var/lib/mysql", size: "10Gi" }),
    scratch: &["/var/run/mysqld"],
    // A folder of its own: a volume has a lost+found, and it wants an empty one.
    args: &["mysqld", "--datadir=/var/lib/mysql/data"],
    credentials: Some(CredentialsOf {
        env: &[("MYSQL_USER", Part::Username), ("MYSQL_PASSWORD", Part::Password), ("MYSQL_DATABASE", Part::Database)],
        composed: &[("MYSQL_ROOT_PASSWORD", "$(MYSQL_PASSWORD)")],
        url: "mysql://$(USERNAME):$(PASSWORD)@$(HOST):$(PORT)/$(DATABASE)",
        ..OWN_DATABASE
    }),
    readiness: Check::Command("mysqladmin ping -h 127.0.0.1 --silent"),
    user: 999,
    group: 999,
    fs_group: 999,
    requests: ("100m", "512Mi"),
    upgrade: Upgrade::MajorByMajor,
    ..PLAIN
};

const CLICKHOUSE: Preset = Preset {
    image: "clickhouse/clickhouse-server",
    version: "25.8",
    majors: &[24, 25],
    ports: &[("http", 8123), ("native", 9000)],
    data: Some(Data { path: "/var/lib/clickhouse", size: "10Gi" }),
    scratch: &["/var/log/clickhouse-server"],
    credentials: Some(CredentialsOf {
        env: &[
            ("CLICKHOUSE_USER", Part::Username),
            ("CLICKHOUSE_PASSWORD", Part::Password),
            ("CLICKHOUSE_DB", Part::Database),
        ],
        ..OWN_DATABASE
    }),
    readiness: Check::Http("/ping"),
    user: 101,
    group: 101,
    fs_group: 101,
    requests: ("200m", "512Mi"),
    ..PLAIN
};

const TEXT_EMBEDDINGS_INFERENCE: Preset = Preset {
    image: "ghcr.io/huggingface/text-embeddings-inference",
    version: "1.8",
    tag: "cpu-{}",
    majors: &[1],
    ports: &[("http", 8080)],
    data: Some(Data { path: "/data", size: "5Gi" }),
    // Its own default, 80, is for root.
    args: &["--port", "8080"],
    readiness: Check::Http("/health"),
    requests: ("500m", "1Gi"),
    // There is no image for others.
    node_selector: &[("kubernetes.io/arch", "amd64")],
    ..PLAIN
};

const OLLAMA: Preset = Preset {
    image: "ollama/ollama",
    version: "0.11.4",
    majors: &[0],
    ports: &[("http", 11434)],
    data: Some(Data { path: "/data", size: "20Gi" }),
    // Its own default is root's home.
    env: &[("HOME", "/data"), ("OLLAMA_MODELS", "/data/models")],
    readiness: Check::Http("/"),
    requests: ("500m", "1Gi"),
    ..PLAIN
};
