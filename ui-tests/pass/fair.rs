//! `fair`, as a flag and as an expression; with `wait` for a mutex too.
#![deny(warnings)]

use klg_lock::{buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory, send};

struct Printer {
    fair: bool,
}

impl Printer {
    #[buffer_lock("flag", fair)]
    async fn flag(&self) -> Result<(), AppError> {
        Ok(())
    }

    #[buffer_lock("expression", fair = self.fair)]
    async fn expression(&self) -> Result<(), AppError> {
        Ok(())
    }

    #[mutex_lock(wait = "1s", fair)]
    async fn mutex(&self, #[lock_key] id: u8) -> Result<(), AppError> {
        Ok(())
    }

    #[mutex_lock("not", fair = false)]
    async fn not(&self) -> Result<(), AppError> {
        Ok(())
    }
}

fn main() {
    on_memory(async {
        for fair in [true, false] {
            let printer = Printer { fair };
            send(printer.flag()).await.unwrap();
            send(printer.expression()).await.unwrap();
            send(printer.mutex(1)).await.unwrap();
            send(printer.not()).await.unwrap();
        }
    });
}
