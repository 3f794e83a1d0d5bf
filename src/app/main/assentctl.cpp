#include "app/ctl.hpp"

int main(int argc, char** argv) {
  return assent::app::run_ctl(argc, argv);
}
