/**
 * Surveys of a file: statistics and hashes of every dataset, read once, in pieces that a job's ranks share.
 *
 * A dataset is cut into units, boxes of about a million elements, by its shape alone. Round r of a survey
 * works on units r * size .. r * size + size - 1, one a rank; every rank then merges all their results in the
 * order of units, so what is said does not depend on how many ranks there are.
 */
#ifndef LK_DATA_SURVEY_H
#define LK_DATA_SURVEY_H

#include "data/share.h"

/** As lk_data_stats and lk_data_verify of lockstep/data.h. NULL: this rank alone. */
lk_status lk_survey_stats(const char *where, int json, const lk_share *share, char **text);
lk_status lk_survey_verify(const char *where, int json, const lk_share *share, char **text);

#endif
