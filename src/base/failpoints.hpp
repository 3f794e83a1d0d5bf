#pragma once

#include <string_view>

namespace assent::base {

// Places where a test makes the process die, fail or wait: before and after every step that must survive a crash. In
// releases nothing of them is left. A file that uses them is compiled a second time for the program
// assentd-failpoints, which is the daemon with them in it.
//
// Armed by the environment variable ASSENT_FAILPOINTS, or over the Unix socket that ASSENT_FAILPOINT_SOCKET names.
// Both take the same words, separated by semicolons, the socket one line at a time:
//
//     POINT[/TEXT]=ACTION[@N]
//
//     TEXT     only where what is done contains it: a packet's SQL, a file's name
//     ACTION   crash (SIGKILL to itself), error (the step fails), delay:MS, hold (until it is armed otherwise)
//     N        only the Nth time; otherwise each time
//
// The socket also takes `release`, which lets go of what holds; `disarm`, which does so too and leaves only safeguards
// as they are; and `passed POINT`, which is answered with how often an armed action was taken there. Every action that
// is taken is said on standard error first: `failpoint POINT/TEXT: crash`.

// X(name, whether `error` means something there)
#define ASSENT_FAILPOINT_TABLE(X)                                                              \
  /* The log: a block is a batch of records, a mark or a seal. */                              \
  X(log_block_unwritten, true)                                                                 \
  X(log_block_unsynced, true)                                                                  \
  X(log_block_durable, false)                                                                  \
  /* Files put in place whole: segments, checkpoints. */                                       \
  X(file_without_room, true) /* `error` is a full disk, which is not a failure */              \
  X(file_unwritten, true)                                                                      \
  X(file_unsynced, true)                                                                       \
  X(file_unnamed, true)                                                                        \
  X(file_name_unsynced, true)                                                                  \
  X(file_in_place, false)                                                                      \
  X(file_unremoved, false)                                                                     \
  X(file_removed, false)                                                                       \
  /* Opening a log that a crash has left. */                                                   \
  X(log_read, false)                                                                           \
  X(log_last_batch_repeated, false)                                                            \
  X(log_torn_end_passed, false)                                                                \
  X(log_ready, false)                                                                          \
  /* A packet of SQL to a participant, `branches:` or `control:` before its text. */           \
  X(packet_unsent, true)                                                                       \
  X(packet_answered, true)                                                                     \
  /* The coordinator. */                                                                       \
  X(epoch_unforced, false)                                                                     \
  X(epoch_forced, false)                                                                       \
  X(recovery_resumed, false)                                                                   \
  X(decision_unforced, false)                                                                  \
  X(decision_durable, false)                                                                   \
  X(rolled_back_key_unforced, false)                                                           \
  X(rolled_back_key_durable, false)                                                            \
  X(pre_commit_unsent, false)                                                                  \
  X(quorum_decided, false)                                                                     \
  X(branch_settled, false)                                                                     \
  X(hazard_unlogged, false)                                                                    \
  X(hazard_logged, false)                                                                      \
  X(end_unlogged, false)                                                                       \
  X(end_durable, false)                                                                        \
  X(sweep_scanned, false)                                                                      \
  X(orphan_rolled_back, false)                                                                 \
  X(purge_begun, false)                                                                        \
  X(purge_done, false)                                                                         \
  /* What a client is told of its transaction. */                                              \
  X(answer_unsent, true)                                                                       \
  X(answer_sent, false)                                                                        \
  /* Not steps but safeguards: with `error` they are gone, so that a test shows what for. */   \
  X(without_proof_check, true)       /* gone after a commit decision: taken for committed */   \
  X(without_doubt_of_nota, true)     /* an unknown XID: taken for committed */                 \
  X(without_doubt_of_other_ok, true) /* OK on a session that is not the owner: taken for it */ \
  X(without_sweeper, true)                                                                     \
  X(without_decision_first, true) /* the first branch commits before the decision is logged */ \
  X(without_promise_test, true)   /* acceptors accept a pre-commit whatever they promised */   \
  X(without_quorum_rule, true)    /* orphans in three phases are presumed aborted */

enum class Failpoint {
#define ASSENT_FAILPOINT_ENUMERATOR(name, fails) name,
  ASSENT_FAILPOINT_TABLE(ASSENT_FAILPOINT_ENUMERATOR)
#undef ASSENT_FAILPOINT_ENUMERATOR
};

/// True when the step is to fail. May not return. Thread safe.
bool passes_failpoint(Failpoint point, std::string_view detail = {});
/// Whether anything at all is armed. Thread safe.
bool any_failpoint_armed();
/// Whether one is armed that holds or delays: not for a thread that others need. Thread safe.
bool any_failpoint_waits();

}  // namespace assent::base

/// ASSENT_FAILS_AT(point) or ASSENT_FAILS_AT(point, detail): whether the step is to fail here.
/// ASSENT_FAILPOINT(...): the same, where failing means nothing.
#ifdef ASSENT_FAILPOINTS
#define ASSENT_FAILS_AT(point, ...) \
  (::assent::base::passes_failpoint(::assent::base::Failpoint::point __VA_OPT__(, ) __VA_ARGS__))
#else
#define ASSENT_FAILS_AT(point, ...) (static_cast<void>(::assent::base::Failpoint::point), false)
#endif
#define ASSENT_FAILPOINT(...) static_cast<void>(ASSENT_FAILS_AT(__VA_ARGS__))
