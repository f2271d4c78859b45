"""The paper's ten tables: one frozen `Table` a module, from the runs of a store."""
