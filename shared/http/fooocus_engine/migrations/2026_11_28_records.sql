-- Every request of all time. The table is the one of FooocusAPI's own outputs/db.sqlite3, so that its file can be taken over.
CREATE TABLE IF NOT EXISTS generate_record (
    id INTEGER PRIMARY KEY,
    task_id VARCHAR(255) NOT NULL,
    req_params JSON NOT NULL,
    in_queue_mills INTEGER,
    start_mills INTEGER,
    finish_mills INTEGER,
    task_status VARCHAR(255),
    progress FLOAT,
    webhook_url VARCHAR(255),
    result JSON
);
CREATE INDEX IF NOT EXISTS generate_record_task ON generate_record (task_id);
CREATE INDEX IF NOT EXISTS generate_record_queued ON generate_record (in_queue_mills);
