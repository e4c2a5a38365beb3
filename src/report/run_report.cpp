#include "portraitseg/report/run_report.h"

#include "portraitseg/core/file.h"
#include "portraitseg/report/csv.h"

namespace portraitseg {

void RunReport::started(const Progress& progress) {
  write_file(run_.metrics(), metrics_csv(progress.history));
}

void RunReport::epoch_finished(const Progress& progress, bool) {
  write_file(run_.metrics(), metrics_csv(progress.history));
}

}  // namespace portraitseg
