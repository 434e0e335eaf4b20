"""The tables, as one script per schema version. A file is migrated by running the scripts of newer versions."""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE requests (
      key BLOB PRIMARY KEY, body BLOB NOT NULL, response BLOB, claimed_at REAL NOT NULL, expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX requests_expiry ON requests (expires_at);
    CREATE TABLE uses (name TEXT PRIMARY KEY, count INTEGER NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX uses_expiry ON uses (expires_at);
    CREATE TABLE ended (link_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX ended_expiry ON ended (expires_at);
    CREATE TABLE children (
      parent_id TEXT NOT NULL, child_id TEXT NOT NULL, expires_at REAL NOT NULL, PRIMARY KEY (parent_id, child_id)
    ) WITHOUT ROWID;
    CREATE INDEX children_expiry ON children (expires_at);
    CREATE INDEX children_child ON children (child_id);
    """,
    """
    CREATE TABLE epoch (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL);
    INSERT INTO epoch VALUES (1, 0);
    CREATE TABLE tasks (
      root_id TEXT PRIMARY KEY, task_id TEXT NOT NULL UNIQUE, subject_issuer TEXT NOT NULL, subject_id TEXT NOT NULL,
      workload TEXT NOT NULL, purpose TEXT NOT NULL, started_at REAL NOT NULL, expires_at REAL NOT NULL,
      label_version INTEGER NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX tasks_expiry ON tasks (expires_at);
    CREATE INDEX tasks_start ON tasks (started_at);
    CREATE INDEX tasks_subject ON tasks (subject_issuer, subject_id, workload);
    CREATE TABLE spent (
      root_id TEXT NOT NULL, budget_id TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0),
      PRIMARY KEY (root_id, budget_id)
    ) WITHOUT ROWID;
    CREATE TABLE labels (
      root_id TEXT NOT NULL, link_id TEXT NOT NULL, label TEXT NOT NULL, at REAL NOT NULL,
      PRIMARY KEY (root_id, link_id, label)
    ) WITHOUT ROWID;
    CREATE TABLE calls (
      root_id TEXT NOT NULL, number INTEGER NOT NULL, decision_id TEXT NOT NULL, link_id TEXT NOT NULL,
      tool TEXT NOT NULL, labels TEXT NOT NULL, charges TEXT NOT NULL, approvals TEXT NOT NULL,
      audience TEXT NOT NULL, refunded INTEGER NOT NULL DEFAULT 0, at REAL NOT NULL, PRIMARY KEY (root_id, number)
    ) WITHOUT ROWID;
    CREATE TABLE revocations (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, target TEXT NOT NULL, at REAL NOT NULL,
      expires_at REAL NOT NULL, reason TEXT NOT NULL, UNIQUE (kind, target)
    );
    CREATE INDEX revocations_expiry ON revocations (expires_at);
    INSERT INTO revocations (kind, target, at, expires_at, reason) SELECT 'link', link_id, 0, expires_at, '' FROM ended;
    DROP TABLE ended;
    CREATE TABLE approvals (
      approval_id TEXT PRIMARY KEY, root_id TEXT NOT NULL, link_id TEXT NOT NULL, task_id TEXT NOT NULL,
      module TEXT NOT NULL, code TEXT NOT NULL, digest TEXT NOT NULL, payload BLOB NOT NULL, created_at REAL NOT NULL,
      expires_at REAL NOT NULL, uses INTEGER NOT NULL CHECK (uses >= 0), status TEXT NOT NULL, approver TEXT NOT NULL,
      decided_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX approvals_root ON approvals (root_id);
    CREATE INDEX approvals_expiry ON approvals (expires_at);
    CREATE INDEX approvals_created ON approvals (created_at);
    ALTER TABLE children ADD COLUMN root_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE children ADD COLUMN holder TEXT NOT NULL DEFAULT '';
    ALTER TABLE children ADD COLUMN sub_agent TEXT NOT NULL DEFAULT '';
    CREATE INDEX children_root ON children (root_id);
    """,
    """
    ALTER TABLE tasks ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE spent ADD COLUMN name TEXT NOT NULL DEFAULT '';
    ALTER TABLE spent ADD COLUMN most INTEGER NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE revocations RENAME COLUMN reason TO reasons;
    UPDATE revocations SET reasons=iif(reasons='', '[]', json_array(reasons));
    ALTER TABLE revocations ADD COLUMN origin TEXT NOT NULL DEFAULT 'operator';
    """,
    """
    DROP INDEX tasks_subject;
    ALTER TABLE tasks ADD COLUMN labels_since REAL NOT NULL DEFAULT 0;
    CREATE TABLE owners (
      owner TEXT PRIMARY KEY, label_version INTEGER NOT NULL, labels_since REAL NOT NULL, expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX owners_expiry ON owners (expires_at);
    CREATE TABLE owner_labels (
      owner TEXT NOT NULL, label TEXT NOT NULL, at REAL NOT NULL, expires_at REAL NOT NULL, own INTEGER NOT NULL,
      wide INTEGER NOT NULL, PRIMARY KEY (owner, label)
    ) WITHOUT ROWID;
    CREATE INDEX owner_labels_expiry ON owner_labels (expires_at);
    CREATE TABLE members (root_id TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (root_id, owner)) WITHOUT ROWID;
    """,
    """
    ALTER TABLE approvals ADD COLUMN topic TEXT NOT NULL DEFAULT '';
    ALTER TABLE approvals ADD COLUMN workload TEXT NOT NULL DEFAULT '';
    ALTER TABLE approvals ADD COLUMN subject TEXT NOT NULL DEFAULT '';
    CREATE INDEX approvals_workload ON approvals (workload, subject);
    """,
    """
    ALTER TABLE calls ADD COLUMN usable_until REAL NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE approvals ADD COLUMN workloads TEXT NOT NULL DEFAULT '[]';
    """,
    """
    ALTER TABLE calls ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
    UPDATE calls SET outcome='refunded' WHERE refunded<>0;
    ALTER TABLE calls DROP COLUMN refunded;
    """,
    """
    CREATE TABLE reach (
      owner TEXT NOT NULL, wide INTEGER NOT NULL, other TEXT NOT NULL, expires_at REAL NOT NULL,
      PRIMARY KEY (owner, wide, other)
    ) WITHOUT ROWID;
    CREATE INDEX reach_expiry ON reach (expires_at);
    """,
    """
    ALTER TABLE tasks ADD COLUMN fact_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE calls ADD COLUMN facts TEXT NOT NULL DEFAULT '';
    CREATE TABLE facts (
      root_id TEXT NOT NULL, link_id TEXT NOT NULL, name TEXT NOT NULL, element TEXT NOT NULL, amount INTEGER NOT NULL,
      PRIMARY KEY (root_id, link_id, name, element)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE calls ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE leases (
      lease_id TEXT PRIMARY KEY, source TEXT NOT NULL, role TEXT NOT NULL, accessor TEXT NOT NULL,
      source_id TEXT NOT NULL, root_id TEXT NOT NULL, link_id TEXT NOT NULL, task_id TEXT NOT NULL, task_started_at REAL NOT NULL, holder TEXT NOT NULL,
      subject TEXT NOT NULL, created_at REAL NOT NULL, expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX leases_expiry ON leases (expires_at);
    CREATE INDEX leases_task ON leases (task_id);
    CREATE TABLE lease_targets (
      kind TEXT NOT NULL, target TEXT NOT NULL, lease_id TEXT NOT NULL, PRIMARY KEY (kind, target, lease_id)
    ) WITHOUT ROWID;
    CREATE INDEX lease_targets_lease ON lease_targets (lease_id);
    """,
    """
    CREATE TABLE subject_tokens (root_id TEXT PRIMARY KEY, sealed BLOB NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX subject_tokens_expiry ON subject_tokens (expires_at);
    """,
    """
    ALTER TABLE approvals ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
    CREATE INDEX approvals_group ON approvals (group_id);
    """,
)
