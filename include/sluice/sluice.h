// All of it.
#pragma once

#include "sluice/batch.h"
#include "sluice/result.h"
#include "sluice/s3.h"
#include "sluice/sink.h"
#include "sluice/source.h"
#include "sluice/sql.h"
