#include "app/daemon.hpp"

int main(int argc, char** argv) {
  return assent::app::run_daemon(argc, argv);
}
