#include "portraitseg/models/models.h"

#include "portraitseg/models/sinet.h"

namespace portraitseg {

const ModelRegistry& models() {
  static const ModelRegistry registry = ModelRegistry("model")
                                            .add("sinet", std::make_shared<SinetOptions>)
                                            .add("sinet_encoder", std::make_shared<SinetEncoderOptions>);
  return registry;
}

}  // namespace portraitseg
