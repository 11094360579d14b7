CREATE TABLE scores(game TEXT, player TEXT, score REAL NOT NULL, PRIMARY KEY (game, player));
INSERT INTO scores VALUES ('eu', 'ann', 310), ('eu', 'bob', 275.5), ('eu', 'cid', 310), ('us', 'dan', 12);
