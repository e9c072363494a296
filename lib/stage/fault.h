/* SPDX-License-Identifier: MIT
 *
 * fault.h - places where a test can stop the process dead.
 *
 * In a build with -Dc_args=-DATIO_FAULT_POINTS, ATIO_FAULT("stage.create")
 * kills the process with SIGKILL when the environment's ATIO_FAULT is
 * "stage.create", or "stage.create:3" for the third time it is reached. With
 * ATIO_FAULT_TRACE set to a file's name, each name that is reached is appended
 * there as a line, so that a test can find and walk all of them. In other
 * builds it is nothing.
 */
#ifndef ATIO_STAGE_FAULT_H
#define ATIO_STAGE_FAULT_H

#ifdef ATIO_FAULT_POINTS
void atio_fault_point(const char *name);
#define ATIO_FAULT(name) atio_fault_point(name)
#else
#define ATIO_FAULT(name) ((void)0)
#endif

#endif
