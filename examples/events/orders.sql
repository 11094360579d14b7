CREATE TABLE orders (id INTEGER PRIMARY KEY, vendor TEXT, state TEXT);
INSERT INTO orders VALUES (7, 'acme', 'new'), (8, 'acme', 'new');
