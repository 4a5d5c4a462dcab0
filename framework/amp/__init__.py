"""Mixed precision: products in 16 bits, everything delicate and the parameters themselves in float32."""

from framework.amp.autocast import autocast as autocast
from framework.amp.grad_scaler import GradScaler as GradScaler
