CREATE TABLE appointments (
    id uuid PRIMARY KEY,
    patient_id uuid NOT NULL REFERENCES patients (id),
    starts_at timestamptz NOT NULL,
    minutes integer NOT NULL CHECK (minutes BETWEEN 5 AND 480),
    reason text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT 'booked' CHECK (status IN ('booked', 'cancelled')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A patient is in one place at a time; a cancelled appointment frees it.
CREATE UNIQUE INDEX appointments_booked ON appointments (patient_id, starts_at) WHERE status = 'booked';
