// Sources that report columns which came to be, and can do without them.
#pragma once

namespace sluice {

// Implemented beside Source by those whose rows are good without the columns of a SchemaChange they reported.
class DoesWithoutColumns {
 public:
  virtual ~DoesWithoutColumns() = default;
  // The sink cannot take them: none is reported from now on, and rows that have some are rejected. Called while no
  // reader exists; adopt_schema() with the schema before, and plan(), follow.
  virtual void do_without_columns() = 0;
};

}  // namespace sluice
