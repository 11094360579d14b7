CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price NUMERIC NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0));
CREATE TABLE order_lines (order_id INTEGER, product_id INTEGER REFERENCES products, quantity INTEGER NOT NULL);
INSERT INTO products VALUES (1, 'lamp', 39.90, 12), (2, 'chair', 89, 3), (3, 'desk', 240, 0);
INSERT INTO order_lines VALUES (1, 1, 2), (1, 2, 1), (2, 1, 1);
