-- Tasks of all time. AUTOINCREMENT: an id is never given twice, because outputs are booked by task id.
CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    position REAL NOT NULL,
    priority INTEGER NOT NULL DEFAULT 0,
    params TEXT NOT NULL,
    plugin_data TEXT NOT NULL DEFAULT '{}',
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    isolated INTEGER NOT NULL DEFAULT 0,
    expected_outputs INTEGER,
    device TEXT NOT NULL DEFAULT '',
    error TEXT,
    stage TEXT,
    dismissed INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    finished REAL
);
CREATE INDEX IF NOT EXISTS tasks_active ON tasks (position) WHERE status IN ('waiting', 'running');
CREATE INDEX IF NOT EXISTS tasks_failed ON tasks (id) WHERE status = 'failed' AND dismissed = 0;
CREATE INDEX IF NOT EXISTS tasks_client ON tasks (client_id, id);

-- Files made: booked before they get their final name (reserved), and after (committed). The history reads them.
CREATE TABLE IF NOT EXISTS outputs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER,
    output_index INTEGER NOT NULL DEFAULT 0,
    path TEXT NOT NULL,
    temp_path TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'committed' CHECK (state IN ('reserved', 'committed')),
    media_type TEXT NOT NULL DEFAULT 'video',
    client_id TEXT NOT NULL DEFAULT '',
    model_type TEXT NOT NULL DEFAULT '',
    prompt TEXT NOT NULL DEFAULT '',
    seed INTEGER,
    settings TEXT NOT NULL DEFAULT '{}',
    created REAL NOT NULL,
    width INTEGER,
    height INTEGER,
    frames INTEGER,
    fps REAL,
    duration_s REAL,
    UNIQUE (task_id, output_index)
);
CREATE INDEX IF NOT EXISTS outputs_newest ON outputs (created DESC, id DESC) WHERE state = 'committed';
CREATE INDEX IF NOT EXISTS outputs_path ON outputs (path);
