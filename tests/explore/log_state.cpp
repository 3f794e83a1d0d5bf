#include "log_state.hpp"

namespace assent::explore {

Packed pack(const LogWorldState& state, std::size_t processes) {
  Packer packer;
  for (const auto& directory : state.directories) {
    packer.put(directory.count, 4);
    for (std::size_t i = 0; i < directory.count; ++i) packer.put(directory.records[i], 4);
  }
  for (const auto& row : state.rows) {
    packer.put(row.owner, 3);
    packer.put(row.sequence, 4);
    packer.put(row.silent, 1);
  }
  for (std::size_t i = 0; i < processes; ++i) {
    const auto& process = state.processes[i];
    packer.put(process.status, 2);
    if (process.status == LogProcess::Status::unborn) continue;
    packer.put(process.directory, 1);
    packer.put(process.epoch, 3);
    packer.put(process.log_lost, 1);
    if (process.status == LogProcess::Status::over) continue;
    for (std::size_t p = 0; p < kLogParticipants; ++p) {
      packer.put(process.holds[p], 2);
      packer.put(process.fresh[p], 1);
      packer.put(process.away[p], 1);
    }
  }
  for (const auto& run : state.runs) {
    packer.put(run.owner, 3);
    if (run.owner == kNobodys) continue;
    packer.put(run.gave_up || run.decision != 0 ? 0 : run.votes, kLogParticipants);
    packer.put(run.gave_up, 1);
    packer.put(run.told, 2);
    packer.put(run.purged, 1);
    packer.put(run.decision, 4);
    packer.put(run.covered, 1);
    packer.put(run.sent, kLogParticipants);
    for (const auto branch : run.branches) packer.put(branch, 2);
  }
  packer.put(state.hand, 2);
  packer.put(state.displaced, 1);
  return packer.packed();
}

LogWorldState unpack_log_world(const Packed& packed, std::size_t processes) {
  Unpacker from(packed);
  LogWorldState state;
  for (auto& directory : state.directories) {
    directory.count = from.take<std::uint8_t>(4);
    for (std::size_t i = 0; i < directory.count; ++i) directory.records[i] = from.take<std::uint8_t>(4);
  }
  for (auto& row : state.rows) {
    row.owner = from.take<std::uint8_t>(3);
    row.sequence = from.take<std::uint8_t>(4);
    row.silent = from.take<bool>(1);
  }
  for (std::size_t i = 0; i < processes; ++i) {
    auto& process = state.processes[i];
    process.status = from.take<LogProcess::Status>(2);
    if (process.status == LogProcess::Status::unborn) continue;
    process.directory = from.take<std::uint8_t>(1);
    process.epoch = from.take<std::uint8_t>(3);
    process.log_lost = from.take<bool>(1);
    if (process.status == LogProcess::Status::over) continue;
    for (std::size_t p = 0; p < kLogParticipants; ++p) {
      process.holds[p] = from.take<LogProcess::Hold>(2);
      process.fresh[p] = from.take<bool>(1);
      process.away[p] = from.take<bool>(1);
    }
  }
  for (auto& run : state.runs) {
    run.owner = from.take<std::uint8_t>(3);
    if (run.owner == kNobodys) continue;
    run.votes = from.take<std::uint8_t>(kLogParticipants);
    run.gave_up = from.take<bool>(1);
    run.told = from.take<LogRun::Told>(2);
    run.purged = from.take<bool>(1);
    run.decision = from.take<std::uint8_t>(4);
    run.covered = from.take<bool>(1);
    run.sent = from.take<std::uint8_t>(kLogParticipants);
    for (auto& branch : run.branches) branch = from.take<LogRun::Branch>(2);
  }
  state.hand = from.take<std::uint8_t>(2);
  state.displaced = from.take<bool>(1);
  return state;
}

}  // namespace assent::explore
