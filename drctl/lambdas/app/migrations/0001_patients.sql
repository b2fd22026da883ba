CREATE TABLE patients (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    birth_date date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
