-- What a user does with results: favourites, and the trash (trashed: when it went there; trash_path: where its file is).
ALTER TABLE outputs ADD COLUMN is_favourite INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outputs ADD COLUMN trashed REAL;
ALTER TABLE outputs ADD COLUMN trash_path TEXT NOT NULL DEFAULT '';

-- Holds all that the gallery filters by, so that a search reads no settings.
DROP INDEX IF EXISTS outputs_newest;
CREATE INDEX IF NOT EXISTS outputs_shown ON outputs
    (created DESC, id DESC, media_type, model_type, is_favourite, prompt) WHERE state = 'committed' AND trashed IS NULL;
CREATE INDEX IF NOT EXISTS outputs_trash ON outputs (trashed DESC, id DESC) WHERE trashed IS NOT NULL;
CREATE INDEX IF NOT EXISTS outputs_model ON outputs (model_type, created DESC) WHERE state = 'committed';
