/* The C interface of the engine. See engine/README.md for its rules on threads and memory. */
#ifndef TABARD_OPA_H
#define TABARD_OPA_H

#include <stdint.h>

enum {
  TABARD_OK = 0,      /* data holds the result as JSON */
  TABARD_FAILED = 1,  /* data holds {"code", "message", "file", "row", "column"}, or a list of these from compiling */
  TABARD_PENDING = 2, /* not done yet: handle is a ticket that a mailbox or tabard_wait answers */
};

typedef struct {
  uint64_t handle;  /* a ticket, or what was created */
  char *data;       /* to be given to tabard_release; NULL if length is 0 */
  int64_t length;   /* bytes */
  int64_t parse_ns; /* reading the input */
  int64_t eval_ns;  /* evaluating and writing the result */
  int32_t status;
  int32_t way;      /* of a remembered answer, for tabard_readings; 0 if it isn't remembered */
} tabard_outcome;

#endif
