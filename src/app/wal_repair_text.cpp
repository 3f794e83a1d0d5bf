#include <algorithm>

#include <nlohmann/json.hpp>

#include "app/text.hpp"
#include "app/wal_text.hpp"
#include "wal/files.hpp"

namespace assent::app {
namespace {

using Json = nlohmann::ordered_json;

// Keys and labels are a client's, and need not be UTF-8.
std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string many(std::size_t count, const std::string& one, const std::string& more) {
  return std::to_string(count) + ' ' + (count == 1 ? one : more);
}

std::string shown(const wal::MissingRecords& missing) {
  const auto first = std::to_string(missing.first);
  const auto records = missing.first == missing.last
                           ? "record " + first + " is"
                           : "records " + first + " to " + std::to_string(missing.last) + " are";
  return records + " lost, behind byte " + std::to_string(missing.offset) + " of " + missing.file + '\n';
}

// Whether anything that was logged is, or may be, gone.
bool is_loss(const wal::Salvage& salvage) {
  return salvage.older_lost || !salvage.missing.empty() || !salvage.missing_segments.empty() || salvage.end_unknown;
}

// With the checkpoint lost.
std::string oldest_left(const wal::Salvage& salvage) {
  if (salvage.first_sequence > 0) return "record " + std::to_string(salvage.first_sequence);
  return salvage.first_segment > 0 ? wal::segment_name(salvage.first_segment) : "the last start";
}

// What is gone.
std::string text_of_losses(const wal::Salvage& salvage) {
  std::string out;
  for (const auto& one : salvage.unreadable) {
    out += "unreadable: " + one.file + ", bytes " + std::to_string(one.begin) + " to " + std::to_string(one.end) + '\n';
  }
  if (salvage.older_lost) {
    out +=
        "LOST: what the checkpoint alone held, all that was logged before " + oldest_left(salvage) +
        ":\n"
        "  each decision that had not ended, each idempotency key, each hazard, and which of them were acknowledged\n";
  } else if (salvage.checkpoint_lost) {
    out += std::string(
               "the checkpoint is lost, and nothing that it alone held: the segments go back to the first record") +
           (is_loss(salvage) ? ", but for what is listed below\n" : "\n");
  }
  for (const auto& one : salvage.missing_segments) {
    out += "LOST: " +
           (one.first == one.last ? "segment " + wal::segment_name(one.first) + ", which is not there,"
                                  : "segments " + wal::segment_name(one.first) + " to " + wal::segment_name(one.last) +
                                        ", which are not there,") +
           " with whatever stood in it\n";
  }
  for (const auto& one : salvage.missing) out += "LOST: " + shown(one);
  if (salvage.end_unknown) {
    out += "LOST, PERHAPS: records behind record " + std::to_string(salvage.next_sequence - 1) +
           ", the last that can be read. Whether there were any, and how many, cannot be known\n";
  } else if (!is_loss(salvage)) {
    out += "no record is lost: whatever the log calls durable was read, or is in the checkpoint, without a gap\n";
  }
  return out;
}

std::string text_of_kept(const wal::Salvage& salvage) {
  if (salvage.kept.empty()) return "kept: no decision that has not ended can be read\n";
  std::vector<std::vector<std::string>> table{{"GTRID", "PHASES", "PARTICIPANTS", "KEY", "LABEL", "READ", "AT"}};
  for (const auto& one : salvage.kept) {
    const auto& decision = one.live.decision;
    table.push_back({decision.gtrid, to_string(decision.protocol), joined(decision.participants),
                     decision.idempotency_key, decision.label, one.behind_damage ? "behind the damage" : "before it",
                     one.file + "+" + std::to_string(one.offset)});
  }
  return "kept: " + many(salvage.kept.size(), "decision", "decisions") +
         " to commit, not ended as far as can be read\n" + aligned(table) +
         "Where the end of one is lost, its branches are settled once more, which their proof rows show to have\n"
         "committed. If these have been purged, it is shown as a hazard and is none: compare the databases.\n";
}

std::string text_of_given_up(const wal::Salvage& salvage) {
  std::string out;
  if (!salvage.decided_and_unknown.empty()) {
    out += "GIVEN UP: " + many(salvage.decided_and_unknown.size(), "decision", "decisions") +
           " to commit cannot be read. Later marks prove that there was one, but not who takes part.\n"
           "Commit each branch of these that XA RECOVER lists at any participant:\n";
    for (const auto& gtrid : salvage.decided_and_unknown) out += "  " + printable(gtrid) + '\n';
  }
  if (!is_loss(salvage)) return out;
  return out +
         "Whatever other decisions stood in what cannot be read are lost, with their idempotency keys: which, cannot "
         "be\n"
         "known. A request that is sent again under such a key is run again.\n";
}

std::string text_of_next(const wal::RepairOptions& options, const wal::RepairReport& report) {
  const auto& state = report.salvage->state.state();
  const auto anew = "the log begins anew with epoch " + std::to_string(state.first_epoch) +
                    ": branches in two phases that were prepared earlier, and whose decision is not\n"
                    "among those kept, are not rolled back. assentd leaves them alone, with an alarm, until they are "
                    "settled by hand.\n";
  if (!report.repaired) {
    return "nothing was changed. Do the first of these that is possible:\n"
           "  restore the directory from a copy that is as new\n  " +
           printable(wal::ctl_command("wal repair", options.directory)) +
           " --force-lose    (makes a copy, keeps what is listed above)\nWith --force-lose: " + anew;
  }
  const auto coordinator = state.coordinator.empty() ? "ID" : state.coordinator;
  const std::string refused =
      "If assentd then refuses to start with exit code 78, since a participant has seen more of this log than is left, "
      "start it\n"
      "once with --log-lost.\n";
  return anew + "Before it is started:\n  assentctl recover --config FILE --coordinator " + printable(coordinator) +
         " --log-lost    (lists what is prepared)\n"
         "  the same with --apply    (settles what a proof row, or a branch that is missing, decides)\n"
         "Of what is prepared everywhere and has no proof row, only the log knew the outcome. Ask those who submitted "
         "it, and choose:\n"
         "  assentctl resolve GTRID --commit|--rollback --reason TEXT --config FILE\n" +
         (is_loss(*report.salvage) ? refused : "");
}

std::string notes_of(const std::vector<std::string>& notes) {
  std::string out;
  for (const auto& note : notes) out += printable(note) + '\n';
  return out;
}

Json json_of_kept(const wal::KeptDecision& one) {
  const auto& decision = one.live.decision;
  return {{"gtrid", decision.gtrid},
          {"protocol", to_string(decision.protocol)},
          {"participants", decision.participants},
          {"acceptors", decision.acceptors},
          {"idempotency_key", decision.idempotency_key},
          {"label", decision.label},
          {"decided_at_ms", decision.decided_at_ms},
          {"file", one.file},
          {"offset", one.offset},
          {"behind_damage", one.behind_damage}};
}

void add_salvage(Json& all, const wal::Salvage& salvage) {
  auto unreadable = Json::array(), missing = Json::array(), kept = Json::array();
  for (const auto& one : salvage.unreadable) {
    unreadable.push_back({{"file", one.file}, {"begin", one.begin}, {"end", one.end}});
  }
  for (const auto& one : salvage.missing) {
    missing.push_back({{"first", one.first}, {"last", one.last}, {"file", one.file}, {"offset", one.offset}});
  }
  for (const auto& one : salvage.kept) kept.push_back(json_of_kept(one));
  const auto& state = salvage.state.state();
  all["coordinator"] = state.coordinator;
  all["first_epoch"] = state.first_epoch;
  all["checkpoint_lost"] = salvage.checkpoint_lost;
  all["older_lost"] = salvage.older_lost;
  all["first_sequence"] = salvage.first_sequence;
  all["unreadable"] = std::move(unreadable);
  all["lost"] = std::move(missing);
  all["kept"] = std::move(kept);
  auto segments = Json::array();
  for (const auto& one : salvage.missing_segments) segments.push_back({{"first", one.first}, {"last", one.last}});
  all["missing_segments"] = std::move(segments);
  all["end_unknown"] = salvage.end_unknown;
  all["decided_and_unknown"] = salvage.decided_and_unknown;
}

}  // namespace

std::string text_of(const wal::RepairOptions& options, const wal::RepairReport& report) {
  const auto directory = printable(options.directory);
  std::string out;
  for (const auto& one : report.findings) {
    // What to do about it is done, or stands at the end.
    out += printable(one.file + " at byte " + std::to_string(one.offset) + ": " + one.what) + '\n';
  }
  out += notes_of(report.notes);
  if (!report.copy.empty()) out += "the log as it was is kept in " + printable(report.copy) + '\n';
  for (const auto& name : report.set_aside) {
    out += "set aside, and kept for examination: " + printable(wal::path_in(options.directory, name)) + '\n';
  }
  if (report.salvage) {
    out += text_of_losses(*report.salvage) + text_of_kept(*report.salvage) + text_of_given_up(*report.salvage);
  }
  if (report.repaired) {
    out += directory + ": repaired\n";
  } else if (report.tail == wal::Tail::clean) {
    out += directory + ": whole; there is nothing to repair\n";
  } else if (report.tail == wal::Tail::torn) {
    out +=
        directory +
        ": nothing was changed; without --dry-run the log is made to go on behind the torn tail, after a copy of it\n";
  } else {
    out += directory + ": DAMAGED\n";
  }
  return report.salvage ? out + text_of_next(options, report) : out;
}

std::string json_of(const wal::RepairOptions& options, const wal::RepairReport& report) {
  auto findings = Json::array();
  for (const auto& one : report.findings) {
    findings.push_back({{"grade", wal::to_string(one.grade)},
                        {"file", one.file},
                        {"offset", one.offset},
                        {"what", one.what},
                        {"remedy", one.remedy}});
  }
  Json all{{"directory", options.directory}, {"tail", wal::to_string(report.tail)},
           {"repaired", report.repaired},    {"copy", report.copy.empty() ? Json() : Json(report.copy)},
           {"set_aside", report.set_aside},  {"notes", report.notes},
           {"findings", std::move(findings)}};
  if (report.salvage) add_salvage(all, *report.salvage);
  return line_of(all);
}

std::string text_of(const std::string& directory, const wal::CompactReport& report) {
  std::string out = notes_of(report.notes);
  if (!report.copy.empty()) out += "the log as it was is kept in " + printable(report.copy) + '\n';
  out += printable(directory) + ": " + std::to_string(report.bytes_before) + " bytes before, " +
         std::to_string(report.bytes_after) + " after";
  return out + (report.changed ? "\n" : "; there is nothing to gain\n");
}

std::string json_of(const std::string& directory, const wal::CompactReport& report) {
  return line_of({{"directory", directory},
                  {"changed", report.changed},
                  {"bytes_before", report.bytes_before},
                  {"bytes_after", report.bytes_after},
                  {"copy", report.copy.empty() ? Json() : Json(report.copy)},
                  {"notes", report.notes}});
}

}  // namespace assent::app
