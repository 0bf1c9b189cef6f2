-- Slot `bench` as `template` is: the same changes again.
SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = 'bench' AND active;
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'bench';
SELECT pg_copy_logical_replication_slot('template', 'bench');
