/** BM25 as src/bm25 has it, which is Anserini's. */
const K1 = 0.9;
const B = 0.4;

/**
 * The settings of every connection. The file is a private copy and needs no recovery after a crash. The first access takes
 * the lock and keeps it.
 */
export const OPENING = `
  PRAGMA locking_mode = exclusive;
  PRAGMA journal_mode = off;
  PRAGMA synchronous = off;
  PRAGMA cache_size = -16384;
  PRAGMA foreign_keys = on;
  SELECT count(*) FROM sqlite_schema;
`;

/**
 * `chunks` is short, since a search looks into it for every occurrence of a word; `texts` has the same rows. `words` is FTS5's
 * inverted index of the chunks' terms, which come as src/bm25 makes them, between spaces. No id is used twice.
 */
export const SCHEMA = `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT UNIQUE, size INTEGER, changed REAL, digest BLOB, left_out TEXT
  );
  CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL REFERENCES files ON DELETE CASCADE, name TEXT, title TEXT
  );
  CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE, terms INTEGER
  );
  CREATE TABLE texts (
    id INTEGER PRIMARY KEY REFERENCES chunks ON DELETE CASCADE, start INTEGER, line INTEGER, text BLOB
  );
  CREATE INDEX documents_of_file ON documents (file);
  CREATE INDEX chunks_of_document ON chunks (document);
  CREATE VIRTUAL TABLE words USING fts5 (
    terms, content = '', contentless_delete = 1, tokenize = "ascii tokenchars '_.:,;'''"
  );
  CREATE TRIGGER chunk_leaves AFTER DELETE ON chunks BEGIN
    DELETE FROM words WHERE rowid = old.id;
  END;
  CREATE VIRTUAL TABLE occurrences USING fts5vocab (words, instance);
`;

/**
 * The best chunks by BM25, equal ones in the order of the files: ?1 has the query's terms, an object of how often each comes,
 * and ?2 how many to find. FTS5's own bm25() has other constants, fixed.
 */
export const SEARCH = `
  WITH asked AS (SELECT key AS term, value AS times FROM json_each(?1)),
  found AS MATERIALIZED (
    SELECT asked.term, asked.times, doc AS id, count(*) AS n
    FROM asked CROSS JOIN occurrences ON occurrences.term = asked.term GROUP BY asked.term, doc
  ),
  rarity AS MATERIALIZED (
    SELECT term, times * ln(1 + ((SELECT value FROM facts WHERE name = 'chunks') - count(*) + 0.5) / (count(*) + 0.5)) AS weight
    FROM found GROUP BY term
  )
  SELECT id, sum(weight * n * ${K1 + 1} / (n + ${K1} * (1 - ${B} + ${B} * chunks.terms / average.value))) AS score
  FROM found JOIN rarity USING (term) JOIN chunks USING (id)
    JOIN facts AS average ON average.name = 'average'
  GROUP BY id ORDER BY score DESC, id LIMIT ?2
`;

/** Chunks of given ids, a JSON list, with where they are from. */
export const CHUNKS = `
  SELECT chunks.id, chunks.document, documents.name, documents.title, files.path, texts.start, texts.line, texts.text
  FROM json_each(?1) JOIN chunks ON chunks.id = value JOIN texts ON texts.id = chunks.id
    JOIN documents ON documents.id = chunks.document JOIN files ON files.id = documents.file
  ORDER BY chunks.id
`;

/** Ids of the chunks of a JSON list, ?1, and of those up to ?2 beside them in their documents. */
export const NEIGHBOURS = `
  SELECT DISTINCT near.id FROM json_each(?1) JOIN chunks ON chunks.id = value
    JOIN chunks AS near ON near.id BETWEEN chunks.id - ?2 AND chunks.id + ?2 AND near.document = chunks.document
`;
