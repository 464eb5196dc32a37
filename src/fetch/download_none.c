/* SPDX-License-Identifier: Apache-2.0 */
/* A build without libcurl: nothing is downloaded. */
#include "fetch/download.h"

eff_status eff_download_run(eff_download *t, eff_error *err)
{
    (void)t;
    return eff_fail(err, EFF_EIO, "this build of effnet does not download (EFF_CURL is off)");
}
